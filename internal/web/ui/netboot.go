package ui

import (
	"net/http"
	"slices"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/job"
	"bty/internal/release"
	"bty/internal/snippet"
	"bty/internal/tftp/probe"
	"bty/internal/web/openapi"
	"bty/internal/web/serve"
)

// Netboot is what the page of boot files works with.
type Netboot struct {
	Files   *release.Files
	Fetches *release.Manager
	TFTP    *probe.Prober
	Port    int           // of bty-web
	Address func() string // that machines are told, "" if nobody set it
	Repo    func() string // that releases are fetched from
	Tag     func() string // that is fetched unless another is named
}

func (s surface) netbootRoutes(r routes) {
	r.own("GET /ui/netboot", s.netboot)
	r.own("GET /ui/netboot/now", s.netbootNow)
	r.own("POST /ui/netboot/fetch", s.fetch)
	r.own("POST /ui/netboot/fetch/cancel", s.cancelFetch)
	r.own("POST /ui/netboot/fetch-release", s.fetchRelease)
	r.own("POST /ui/netboot/upload", s.uploadBoot)
	r.own("GET /ui/netboot/files/{name}/delete", s.askDeleteBoot)
	r.own("POST /ui/netboot/files/{name}/delete", s.deleteBoot)
}

func aboutNetboot() []openapi.Operation {
	const tag = "pages"
	one := []openapi.Field{{Name: "tag", Text: "latest when it is empty"}}
	refused := append(led(), openapi.Refusals(413)...)
	refused = append(refused, openapi.Answer{Status: 413, Media: htmlType})
	return []openapi.Operation{
		{Pattern: "GET /ui/netboot", Tag: tag, Access: openapi.Page, Summary: "Boot files, the fetch of releases, and what DHCP servers have to say",
			Query:   []openapi.Param{{Name: "address", Text: "of the appliance, in the snippets"}, {Name: "lan", Text: "the machines' LAN, in the snippets"}},
			Answers: pageOr()},
		{Pattern: "GET /ui/netboot/now", Tag: tag, Access: openapi.Page, Summary: "What there is of it now, as a part of the page", Answers: pageOr()},
		{Pattern: "POST /ui/netboot/fetch", Tag: tag, Access: openapi.Page, Summary: "Fetch a release", Request: openapi.Form(one...), Answers: refused},
		{Pattern: "POST /ui/netboot/fetch/cancel", Tag: tag, Access: openapi.Page, Summary: "Cancel a fetch", Request: openapi.Form(one...), Answers: refused},
		{Pattern: "POST /ui/netboot/fetch-release", Tag: tag, Access: openapi.Page, Summary: "Fetch a release and wait until it has ended",
			Request: openapi.Form(one...), Answers: append(pageOr(413, 503), led()...)},
		{Pattern: "POST /ui/netboot/upload", Tag: tag, Access: openapi.Page, Summary: "Put files into the boot folder",
			Request: openapi.Upload(openapi.Field{Name: "file", Many: true, Needed: true, File: true}), Answers: led()},
		{Pattern: "GET /ui/netboot/files/{name}/delete", Tag: tag, Access: openapi.Page, Summary: "Ask before a boot file is deleted", Answers: pageOr()},
		{Pattern: "POST /ui/netboot/files/{name}/delete", Tag: tag, Access: openapi.Page, Summary: "Delete a boot file", Answers: led()},
	}
}

// netbootPage is what the page shows.
type netbootPage struct {
	Now      netbootNow
	TFTP     tftpDaemon
	Tag      string
	Repo     string
	Version  string // of the artifacts
	Site     snippet.Site
	Guessed  bool // nobody named the address
	Snippets []snippet.Snippet
	Doctor   doctorPart
	Events   []event.Event
}

// netbootNow is the part of it that changes by itself.
type netbootNow struct {
	release.Status
	Files   []release.File
	Root    string
	Fetches []release.State // the newest first
	TFTP    probe.Answer
	Asked   bool // the TFTP server has been asked
}

// Pending reports whether something is being found out that no event will tell of.
func (n netbootNow) Pending() bool {
	return !n.Asked || slices.ContainsFunc(n.Files, func(f release.File) bool { return !f.Known })
}

// Active is the fetch that waits or works, nil if none does.
func (n netbootNow) Active() *release.State {
	for i := range n.Fetches {
		if !n.Fetches[i].Status.Ended() {
			return &n.Fetches[i]
		}
	}
	return nil
}

// Last is the fetch that ended last, nil if none has.
func (n netbootNow) Last() *release.State {
	for i := range n.Fetches {
		if n.Fetches[i].Status.Ended() {
			return &n.Fetches[i]
		}
	}
	return nil
}

var netbootSaved = map[string]string{
	"asked":     "The fetch has begun.",
	"cancelled": "The fetch was cancelled; what was installed before is as it was.",
	"uploaded":  "The files are in the boot folder.",
	"deleted":   "The file was deleted.",
	"fetched":   "The release is installed.",

	"tftp-start":   "The TFTP daemon listens.",
	"tftp-stop":    "The TFTP daemon is stopped; its port is closed.",
	"tftp-restart": "The TFTP daemon was restarted.",
}

func (s surface) netboot(w http.ResponseWriter, r *http.Request) error {
	return s.showNetboot(w, r, view{})
}

// showNetboot shows the page, with the outcome that v has.
func (s surface) showNetboot(w http.ResponseWriter, r *http.Request, v view) error {
	now, err := s.bootNow()
	if err != nil {
		return err
	}
	d := netbootPage{Now: now, Tag: s.Netboot.Tag(), Repo: s.Netboot.Repo(), Version: s.Netboot.Fetches.Version}
	if d.TFTP, err = s.tftpDaemon(r); err != nil {
		return err
	}
	d.Site, d.Guessed = siteOf(r, s.Netboot.Port, s.Netboot.Address())
	if d.Snippets, err = snippet.Snippets(d.Site); err != nil {
		return err
	}
	d.Doctor = doctorOf(s.Doctor())
	subject := event.Netboot
	if d.Events, err = s.Book.Events(event.Filter{SubjectKind: &subject, Limit: lastEvents}); err != nil {
		return err
	}
	v.Page, v.Title, v.Section, v.Saved, v.Data = "netboot", "Netboot", "netboot", netbootSaved, d
	return s.show(w, r, v)
}

func (s surface) bootNow() (netbootNow, error) {
	files, err := s.Netboot.Files.List()
	now := netbootNow{Status: s.Netboot.Files.Status(), Files: files, Root: s.Netboot.Fetches.Shelf.Path}
	fetches := s.Netboot.Fetches.List()
	for i := len(fetches) - 1; i >= 0; i-- {
		now.Fetches = append(now.Fetches, fetches[i])
	}
	now.TFTP, now.Asked = s.Netboot.TFTP.Latest()
	return now, err
}

// netbootNow is the part of the page that a live page asks for again.
func (s surface) netbootNow(w http.ResponseWriter, r *http.Request) error {
	now, err := s.bootNow()
	if err != nil {
		return err
	}
	return s.fragment(w, r, "netboot", "now", now)
}

const netbootPath = "/ui/netboot"

func (s surface) fetch(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	_, err = s.Netboot.Fetches.Request(r.Context(), form.Get("tag"), s.Client(r), false)
	return done(w, r, netbootPath, "asked", err)
}

func (s surface) cancelFetch(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	_, err = s.Netboot.Fetches.Cancel(r.Context(), form.Get("tag"), s.Client(r))
	return done(w, r, netbootPath, "cancelled", err)
}

// fetchRelease fetches while the caller waits.
func (s surface) fetchRelease(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	state, err := s.Netboot.Fetches.Request(r.Context(), form.Get("tag"), s.Client(r), true)
	if err == nil {
		state, err = s.Netboot.Fetches.Wait(r.Context(), state.Key)
	}
	var v view
	switch {
	case r.Context().Err() != nil:
		return nil // nobody waits any more; the fetch goes on
	case err != nil && fault.KindOf(err) == fault.Internal:
		return err
	case err != nil:
		v.Problem = fault.Public(err)
	case state.Status == job.Completed:
		v.Success = netbootSaved["fetched"]
	case state.Status == job.Cancelled:
		v.Problem = netbootSaved["cancelled"]
	default:
		v.Problem = release.Why(state.Err)
	}
	return s.showNetboot(w, r, v)
}

func (s surface) uploadBoot(w http.ResponseWriter, r *http.Request) error {
	limit := s.Netboot.Files.Limit()
	files, err := serve.FilesOf(w, r, limit)
	if err == nil {
		_, err = s.Netboot.Files.Upload(r.Context(), files.Next, s.Client(r))
	}
	return done(w, r, netbootPath, "uploaded", serve.UploadFault(err, "the files", limit))
}

func (s surface) askDeleteBoot(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	text := "It is removed from the boot folder for good."
	for _, live := range s.Netboot.Files.Status().Live {
		for _, file := range live.Files {
			if file.Name == name {
				text = "Machines (" + live.Arch + ") start this live environment. Without it they boot their own disk, and nothing is flashed, until another is there."
			}
		}
	}
	return s.confirm(w, r, confirmation{Title: "Delete " + name + "?", Text: text, Action: bootFilePath(name) + "/delete",
		Button: "Delete", Cancel: netbootPath, Section: "netboot"})
}

func (s surface) deleteBoot(w http.ResponseWriter, r *http.Request) error {
	err := s.Netboot.Files.Delete(r.Context(), r.PathValue("name"), s.Client(r))
	return done(w, r, netbootPath, "deleted", err)
}
