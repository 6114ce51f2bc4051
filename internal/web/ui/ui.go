// Package ui is the surface for people: pages rendered on the server, kept up to date by the
// live stream. Every page works without a script; nothing comes from another origin.
package ui

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/ledger"
	"bty/internal/library"
	"bty/internal/web/auth"
	"bty/internal/web/body"
	"bty/internal/web/serve"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed static
var staticFiles embed.FS

// Config is what the surface works with.
type Config struct {
	Serve   serve.Adapter
	Fleet   *fleet.Fleet
	Library *library.Library
	Book    ledger.Book
	Auth    *auth.Auth
	Client  func(*http.Request) netip.Addr
	Now     func() time.Time
	Version string
	Notices []string // shown on every page: what is wrong with the installation
}

// surface is the Config with its parsed pages.
type surface struct {
	Config
	pages *template.Template
}

// Register adds the routes.
func Register(mux serve.Mux, c Config) {
	s := surface{c, template.Must(template.New("").Funcs(functions).ParseFS(pageFiles, "pages/*.html"))}
	open := func(h serve.Handler) http.Handler { return c.Serve.Do(serve.Open, h) }
	own := func(h serve.Handler) http.Handler { return open(s.signedIn(h)) }

	mux.Handle("GET /{$}", http.RedirectHandler("/ui/login", http.StatusSeeOther))
	mux.Handle("GET /ui", http.RedirectHandler("/ui/dashboard", http.StatusSeeOther))
	mux.Handle("GET /ui/login", open(s.loginPage))
	mux.Handle("POST /ui/login", open(s.login))
	mux.Handle("POST /ui/logout", open(s.logout))
	mux.Handle("GET /ui/dashboard", own(s.dashboard))
	mux.Handle("GET /ui/machines", own(s.machines))
	mux.Handle("GET /ui/machines/{mac}", own(s.machine))
	mux.Handle("GET /ui/machines/{mac}/row", own(s.machineRow))
	mux.Handle("POST /ui/machines/{mac}/arm", own(s.arm))

	assets, err := fs.Sub(staticFiles, "static")
	if err != nil {
		panic(err) // the folder ships in the binary
	}
	mux.Handle("GET /static/{name}", http.StripPrefix("/static/", http.FileServerFS(assets)))
}

// signedIn leads everybody else to the sign-in page.
func (s surface) signedIn(h serve.Handler) serve.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if !s.Auth.SignedIn(r) {
			http.Redirect(w, r, "/ui/login", http.StatusSeeOther)
			return nil
		}
		return h(w, r)
	}
}

// page is what every page is rendered from.
type page struct {
	Title    string
	Version  string
	Notices  []string
	SignedIn bool
	Error    string
	Default  bool // the well-known password is in force
	Data     any
}

func (s surface) render(w http.ResponseWriter, r *http.Request, name, title string, data any, problem string) error {
	p := page{Title: title, Version: s.Version, Notices: s.Notices, SignedIn: s.Auth.SignedIn(r), Error: problem, Default: s.Auth.IsDefault(), Data: data}
	var b bytes.Buffer
	if err := s.pages.ExecuteTemplate(&b, name, p); err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Vary", "Cookie")
	header.Set("Cache-Control", "no-store")
	_, _ = w.Write(b.Bytes()) // the client is gone, if anything
	return nil
}

func (s surface) loginPage(w http.ResponseWriter, r *http.Request) error {
	if s.Auth.SignedIn(r) {
		http.Redirect(w, r, "/ui/dashboard", http.StatusSeeOther)
		return nil
	}
	return s.render(w, r, "login.html", "Log in", nil, "")
}

const (
	maxForm  = 64 << 10         // bytes
	formTime = 30 * time.Second // that a form may take to come in
)

func (s surface) login(w http.ResponseWriter, r *http.Request) error {
	password, err := formPassword(w, r)
	if err != nil {
		return err
	}
	ok := s.Auth.Check(password)
	if err := s.record(r, ok); err != nil {
		// On a full disk, too, somebody must get in and see what is wrong.
		s.Serve.Log.Warn("a sign-in could not be recorded", "remote", r.RemoteAddr, "ok", ok, "err", err)
	}
	if !ok {
		return s.render(w, r, "login.html", "Log in", nil, "Invalid password")
	}
	s.Auth.SignIn(w)
	http.Redirect(w, r, "/ui/dashboard", http.StatusSeeOther)
	return nil
}

// formPassword reads the field from the body and from nowhere else: a URL ends up in logs.
func formPassword(w http.ResponseWriter, r *http.Request) (string, error) {
	deadline := http.NewResponseController(w)
	_ = deadline.SetReadDeadline(time.Now().Add(formTime)) // a server that has none reads without
	defer func() { _ = deadline.SetReadDeadline(time.Time{}) }()
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	err := errors.Join(r.ParseForm(), r.ParseMultipartForm(maxForm)) // the second hides the first
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return "", fault.New(fault.TooLarge, "the form is larger than %d bytes", maxForm)
	}
	if password := r.PostForm.Get("password"); password != "" {
		return password, nil
	}
	return "", body.Problems{{Type: "missing", Loc: []any{"body", "password"}, Message: "Field required"}}
}

func (s surface) record(r *http.Request, ok bool) error {
	e := event.Event{At: s.Now(), Kind: event.LoginSucceeded, SubjectKind: event.Auth, SubjectID: "operator", Actor: event.Operator, SourceIP: s.Client(r), Summary: "signed in"}
	if !ok {
		e.Kind, e.Summary = event.LoginFailed, "wrong password at sign-in"
	}
	return s.Book.Record(r.Context(), e)
}

func (s surface) logout(w http.ResponseWriter, r *http.Request) error {
	if s.Auth.SignedIn(r) {
		err := s.Book.Record(r.Context(), event.Event{At: s.Now(), Kind: event.Logout, SubjectKind: event.Auth, SubjectID: "operator",
			Actor: event.Operator, SourceIP: s.Client(r), Summary: "signed out"})
		if err != nil {
			return err
		}
		s.Auth.SignOut(w)
	}
	http.Redirect(w, r, "/ui/login", http.StatusSeeOther)
	return nil
}

func (s surface) dashboard(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, "/ui/machines", http.StatusSeeOther)
	return nil
}

// back leads to a page of ours that says what went wrong.
func back(w http.ResponseWriter, r *http.Request, to string, err error) error {
	if err != nil {
		to += "?error=" + url.QueryEscape(fault.Public(err))
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}
