package api

import (
	"net/http"
	"regexp"
	"time"

	"bty/internal/job"
	"bty/internal/release"
	"bty/internal/web/body"
	"bty/internal/web/openapi"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

// registerBoot adds the routes of boot files and of the fetch of releases.
func (c Config) registerBoot(mux serve.Mux, own func(serve.Handler) http.Handler, ownBody func(serve.BodyHandler) http.Handler) {
	mux.Handle("GET /boot/releases", own(c.listFetches))
	mux.Handle("POST /boot/releases", ownBody(c.requestFetch))
	mux.Handle("DELETE /boot/releases/{tag}", own(c.cancelFetch))
	mux.Handle("GET /api/v1/netboot", own(c.netboot))
	mux.Handle("POST /api/v1/boot", own(c.installBoot))
	mux.Handle("DELETE /api/v1/boot/{name}", own(c.deleteBoot))
}

func aboutBoot() []openapi.Operation {
	const tag = "boot files"
	fetch := wire.ReleaseFetch{}
	return []openapi.Operation{
		{Pattern: "GET /boot/releases", Tag: tag, Summary: "The fetches of releases of boot artifacts",
			Answers: openapi.Answers(openapi.Encoded(200, wire.ReleaseFetches{}))},
		{Pattern: "POST /boot/releases", Tag: tag, Summary: "Fetch a release of boot artifacts",
			Details: "The tag latest is that of the version that the server is set to. A fetch of the same tag that has not ended is answered as it is; one that has ended is done again.",
			Request: openapi.JSON(func(v body.Value) { _, _ = readTag(v) }), Answers: openapi.Answers(openapi.Encoded(202, fetch), 503)},
		{Pattern: "DELETE /boot/releases/{tag}", Tag: tag, Summary: "Cancel a fetch", Details: "One that has ended is answered as it is.",
			Answers: openapi.Answers(openapi.Encoded(200, fetch), 404, 422)},
		{Pattern: "GET /api/v1/netboot", Tag: tag, Summary: "What machines would boot: live environments, boot programs, boot files",
			Answers: openapi.Answers(openapi.Encoded(200, wire.Netboot{}))},
		{Pattern: "POST /api/v1/boot", Tag: tag, Summary: "Install files that belong together: all of them change in one step",
			Request: openapi.Upload(openapi.Field{Name: "file", Many: true, Needed: true, File: true}),
			Answers: openapi.Answers(openapi.Encoded(200, wire.Installed{}), 400, 409, 413)},
		{Pattern: "DELETE /api/v1/boot/{name}", Tag: tag, Summary: "Delete a boot file",
			Answers: openapi.Answers(openapi.Empty(204, "deleted"), 400, 404, 409)},
	}
}

func (c Config) listFetches(w http.ResponseWriter, _ *http.Request) error {
	states := c.Fetches.List()
	shown := wire.ReleaseFetches{BootRoot: c.Fetches.Shelf.Path, MaxParallel: 1, Fetches: make([]wire.ReleaseFetch, len(states))}
	for i, s := range states {
		shown.Fetches[i] = fetchState(s)
	}
	serve.JSON(w, http.StatusOK, shown)
	return nil
}

var tagPattern = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

func readTag(v body.Value) (string, error) {
	o := v.Object()
	tag := o.StringOr("tag", release.Latest, body.Min(1), body.Match(tagPattern))
	return tag, o.Done()
}

func (c Config) requestFetch(w http.ResponseWriter, r *http.Request, v body.Value) error {
	tag, err := readTag(v)
	if err != nil {
		return err
	}
	state, err := c.Fetches.Request(r.Context(), tag, c.Client(r), false)
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusAccepted, fetchState(state))
	return nil
}

func (c Config) cancelFetch(w http.ResponseWriter, r *http.Request) error {
	state, err := c.Fetches.Cancel(r.Context(), r.PathValue("tag"), c.Client(r))
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, fetchState(state))
	return nil
}

func fetchState(s release.State) wire.ReleaseFetch {
	f := s.Detail
	done, total := f.Bytes()
	shown := wire.ReleaseFetch{
		Tag: s.Key, Status: string(s.Status), BytesDone: done, BytesTotal: known(total), Artifact: orNull(f.Current),
		StartedAt: unix(s.StartedAt), FinishedAt: unix(s.FinishedAt), BaseURL: orNull(f.BaseURL),
	}
	if s.Status == job.Failed {
		shown.Error = orNull(release.Why(s.Err))
	}
	for _, a := range f.Artifacts {
		shown.Artifacts = append(shown.Artifacts, wire.ReleaseArtifact{Name: a.Name, Status: string(a.Status), BytesDone: a.Bytes, BytesTotal: known(a.Total),
			Error: orNull(a.Err), StartedAt: unix(a.StartedAt), FinishedAt: unix(a.FinishedAt)})
	}
	return shown
}

func known(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

func unix(t time.Time) *float64 {
	if t.IsZero() {
		return nil
	}
	seconds := float64(t.UnixMicro()) / 1e6
	return &seconds
}

func (c Config) netboot(w http.ResponseWriter, _ *http.Request) error {
	files, err := c.Boot.List()
	if err != nil {
		return err
	}
	status := c.Boot.Status()
	shown := wire.Netboot{Ready: status.IsReady(), Live: []wire.Live{}, Programs: []wire.BootProgram{}, Files: bootFiles(files)}
	for _, l := range status.Live {
		shown.Live = append(shown.Live, wire.Live{Arch: l.Arch, Maker: orNull(string(l.Maker)), Kernel: orNull(l.Kernel), Missing: orNull(l.Missing), Files: bootFiles(l.Files)})
	}
	for _, p := range status.Programs {
		shown.Programs = append(shown.Programs, wire.BootProgram{Name: p.Name, For: p.For, Path: orNull(p.Path), Size: p.Size, Advice: orNull(p.Advice)})
	}
	serve.JSON(w, http.StatusOK, shown)
	return nil
}

func bootFiles(files []release.File) []wire.BootFile {
	shown := make([]wire.BootFile, len(files))
	for i, f := range files {
		shown[i] = wire.BootFile{Name: f.Name, Size: f.Size, ModifiedAt: wire.IsoTime(f.At), SHA256: orNull(f.SHA256), Kernel: orNull(f.Kernel)}
	}
	return shown
}

func (c Config) installBoot(w http.ResponseWriter, r *http.Request) error {
	files, err := serve.FilesOf(w, r, c.Boot.Limit())
	if err != nil {
		return err
	}
	stored, err := c.Boot.Install(r.Context(), files.Next, c.Client(r))
	if err != nil {
		return serve.UploadFault(err, "the files", c.Boot.Limit())
	}
	shown := wire.Installed{Files: make([]wire.StoredFile, len(stored))}
	for i, f := range stored {
		shown.Files[i] = wire.StoredFile{Name: f.Name, Size: f.Size, SHA256: f.SHA256}
	}
	serve.JSON(w, http.StatusOK, shown)
	return nil
}

func (c Config) deleteBoot(w http.ResponseWriter, r *http.Request) error {
	if err := c.Boot.Delete(r.Context(), r.PathValue("name"), c.Client(r)); err != nil {
		return err
	}
	return serve.NoContent(w)
}
