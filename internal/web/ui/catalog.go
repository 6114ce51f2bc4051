package ui

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"bty/internal/fault"
	"bty/internal/library"
	"bty/internal/web/body"
	"bty/internal/web/serve"
)

// catalogRoutes are the forms that fill the catalog. Existing scripts use the first four, so their
// answers are fixed: who is not signed in gets JSON from the upload and the fetch, and all outcomes
// lead to /ui/images. Our own page sends page=1 along and is told more.
func (s surface) catalogRoutes(r routes) {
	guarded := func(pattern string, h serve.Handler) { r.mux.Handle(pattern, s.Serve.Do(s.Auth.Guard, h)) }
	guarded("POST /ui/catalog/upload", s.uploadCatalog)
	guarded("POST /ui/catalog/fetch-release", s.fetchCatalog)
	r.own("POST /ui/catalog/entries", s.addImage)
	r.own("POST /ui/catalog/entries/check", s.checkSource)
	r.own("POST /ui/catalog/import", s.importCatalog)
}

// fillForm is what the page that fills the catalog shows: its fields as they were sent.
type fillForm struct {
	ImageURL, DigestURL, Source string
	CatalogURL                  string
}

func (s surface) imagesAdd(w http.ResponseWriter, r *http.Request) error {
	return s.showAdd(w, r, nil, "")
}

func (s surface) showAdd(w http.ResponseWriter, r *http.Request, sent url.Values, problem string) error {
	status := 0
	if problem != "" {
		status = http.StatusUnprocessableEntity
	}
	return s.show(w, r, view{Page: "images-add", Title: "Add images", Section: "images", Problem: problem, Status: status,
		Data: fillForm{sent.Get("image_url"), sent.Get("sha_url"), sent.Get("source"), s.Library.CatalogURL()}})
}

// outcome ends a form of the catalog: our own page is shown again with what was wrong, or leads to
// where what was done can be seen.
func (s surface) outcome(w http.ResponseWriter, r *http.Request, sent url.Values, seenAt string, err error) error {
	switch {
	case err != nil && fault.KindOf(err) == fault.Internal:
		return err
	case sent.Get("page") != "1":
		return done(w, r, "/ui/images", "", err)
	case err != nil:
		return s.showAdd(w, r, sent, fault.Public(err))
	}
	http.Redirect(w, r, seenAt, http.StatusSeeOther)
	return nil
}

func reportAt(report library.Report) string {
	return "/ui/images?import=" + strconv.FormatUint(uint64(report.Event), 10)
}

func missing(field string) error {
	return body.Problems{{Type: "missing", Loc: []any{"body", field}, Message: "Field required"}}
}

func (s surface) addImage(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	if form.Get("image_url") == "" {
		return missing("image_url")
	}
	entry, err := s.Library.Add(r.Context(), library.Request{URL: form.Get("image_url"), DigestURL: form.Get("sha_url"), TellDuplicate: true}, s.Client(r))
	if fault.KindOf(err) == fault.Conflict && form.Get("page") != "1" {
		http.Redirect(w, r, "/ui/images?error="+url.QueryEscape(fault.Public(err)), http.StatusSeeOther) // with a plus for each space, as scripts expect of this one
		return nil
	}
	return s.outcome(w, r, form, "/ui/images/"+entry.Ref.String()+"?saved=added", err)
}

func (s surface) importCatalog(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	if form.Get("source") == "" {
		return missing("source")
	}
	report, err := s.Library.Import(r.Context(), form.Get("source"), s.Client(r))
	return s.outcome(w, r, form, reportAt(report), err)
}

func (s surface) fetchCatalog(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	report, err := s.Library.FetchRelease(r.Context())
	return s.outcome(w, r, form, reportAt(report), err)
}

func (s surface) uploadCatalog(w http.ResponseWriter, r *http.Request) error {
	deadline := http.NewResponseController(w)
	_ = deadline.SetReadDeadline(time.Now().Add(formTime)) // a server that has none reads without
	name, raw, err := uploadedFile(w, r)
	_ = deadline.SetReadDeadline(time.Time{})
	var report library.Report
	if err == nil {
		report, err = s.Library.Upload(r.Context(), name, raw, s.Client(r))
	}
	return s.outcome(w, r, r.PostForm, reportAt(report), err)
}

// uploadedFile reads the field "file" of a form, and the others into r.PostForm.
func uploadedFile(w http.ResponseWriter, r *http.Request) (name string, content []byte, err error) {
	const most = library.MaxUpload + maxForm
	r.Body = http.MaxBytesReader(w, r.Body, most)
	err = r.ParseMultipartForm(most)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return "", nil, fault.New(fault.Invalid, "upload exceeded %d bytes", library.MaxUpload)
	}
	file, header, err := r.FormFile("file")
	if err != nil {
		return "", nil, fault.New(fault.Invalid, "no file in upload")
	}
	defer file.Close()
	content, err = io.ReadAll(io.LimitReader(file, library.MaxUpload+1))
	if err != nil {
		return "", nil, fault.Wrap(fault.Invalid, err, "upload could not be read to its end")
	}
	return header.Filename, content, nil
}

// checkSource asks the origin of any source; the answer is JSON, whoever asks.
func (s surface) checkSource(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	if form.Get("src") == "" {
		return missing("src")
	}
	checked, err := s.Library.Check(r.Context(), form.Get("src"))
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, checked.Wire())
	return nil
}
