package ui

import (
	"net/http"
	"net/url"
	"strings"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/web/body"
	"bty/internal/web/serve"
)

func (s surface) sessionRoutes(r routes) {
	r.open("GET /ui/login", s.loginPage)
	r.open("POST /ui/login", s.login)
	r.open("POST /ui/logout", s.logout)
	r.mux.Handle("GET /ui/session", s.Serve.Do(s.Auth.Guard, func(w http.ResponseWriter, _ *http.Request) error { return serve.NoContent(w) }))
}

// signedIn leads everybody else to the sign-in page, and from there back. A script is told so
// instead: it would take the sign-in page for what it asked for.
func (s surface) signedIn(h serve.Handler) serve.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		switch err := s.Auth.Guard(r); {
		case err == nil:
			return h(w, r)
		case fromScript(r):
			w.Header().Set("Vary", "Cookie")
			return err
		}
		http.Redirect(w, r, signInAt(r), http.StatusSeeOther)
		return nil
	}
}

// fromScript reports whether it was a script of ours that asked: htmx, or fetch in its manner.
func fromScript(r *http.Request) bool { return r.Header.Get("HX-Request") == "true" }

func signInAt(r *http.Request) string {
	if r.Method != http.MethodGet {
		return "/ui/login?expired=1"
	}
	return "/ui/login?next=" + url.QueryEscape(r.URL.RequestURI())
}

// localPath is where a sign-in may lead: a page of ours, "" for any other URL.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(next, "/ui/") || strings.ContainsAny(next, "\\\r\n") ||
		strings.HasPrefix(u.Path, "/ui/login") || strings.HasPrefix(u.Path, "/ui/logout") {
		return ""
	}
	return next
}

// signIn is what the sign-in page shows.
type signIn struct {
	Next string
	Box  string // why the sign-in failed
}

func (s surface) loginPage(w http.ResponseWriter, r *http.Request) error {
	next := localPath(r.URL.Query().Get("next"))
	if s.Auth.SignedIn(r) {
		http.Redirect(w, r, orDashboard(next), http.StatusSeeOther)
		return nil
	}
	box := ""
	if r.URL.Query().Has("expired") {
		box = "You were signed out before the form came in: nothing was saved. Log in and send it again."
	}
	return s.showLogin(w, r, signIn{next, box})
}

func (s surface) showLogin(w http.ResponseWriter, r *http.Request, in signIn) error {
	return s.show(w, r, view{Page: "login", Title: "Log in", Data: in})
}

func orDashboard(next string) string {
	if next == "" {
		return "/ui/dashboard"
	}
	return next
}

func (s surface) login(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	password, next := form.Get("password"), localPath(form.Get("next"))
	if password == "" {
		return body.Problems{{Type: "missing", Loc: []any{"body", "password"}, Message: "Field required"}}
	}
	ok := s.Auth.Check(password)
	if err := s.record(r, ok); err != nil {
		// On a full disk, too, somebody must get in and see what is wrong.
		s.Serve.Log.Warn("a sign-in could not be recorded", "remote", r.RemoteAddr, "ok", ok, "err", err)
	}
	if !ok {
		return s.showLogin(w, r, signIn{next, "Invalid password"})
	}
	s.Auth.SignIn(w)
	http.Redirect(w, r, orDashboard(next), http.StatusSeeOther)
	return nil
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
		if err != nil && fault.KindOf(err) != fault.Full { // on a full disk, too, somebody must get out
			return err
		}
		s.Auth.SignOut(w)
	}
	http.Redirect(w, r, "/ui/login", http.StatusSeeOther)
	return nil
}
