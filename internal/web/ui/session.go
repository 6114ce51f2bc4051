package ui

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/message"
	"bty/internal/web/auth"
	"bty/internal/web/body"
	"bty/internal/web/serve"
)

func (s surface) sessionRoutes(r routes) {
	r.open("GET /ui/login", s.loginPage)
	r.open("POST /ui/login", s.login)
	r.open("POST /ui/logout", s.logout)
	r.mux.Handle("GET /ui/session", s.Serve.Do(s.Auth.Session, func(w http.ResponseWriter, _ *http.Request) error { return serve.NoContent(w) }))
}

// signedIn leads everybody else to the sign-in page, and from there back. A script is told so
// instead: it would take the sign-in page for what it asked for.
func (s surface) signedIn(h serve.Handler) serve.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		switch err := s.Auth.Session(r); {
		case err == nil:
			return h(w, s.dated(r))
		case fromScript(r), auth.HasToken(r), fault.KindOf(err) == fault.Forbidden:
			w.Header().Set("Vary", "Cookie")
			return err
		}
		http.Redirect(w, r, signInAt(r), http.StatusSeeOther)
		return nil
	}
}

// newestKey is of the ID of the newest event when a request came in.
type newestKey struct{}

// dated makes a request know as of which event it is answered: the live stream of the page goes on
// from there, so that nothing is lost between the page and its stream.
func (s surface) dated(r *http.Request) *http.Request {
	if r.Method != http.MethodGet || fromScript(r) {
		return r
	}
	id, err := s.Book.Newest()
	if err != nil {
		return r // the stream begins with what happens from then on
	}
	return r.WithContext(context.WithValue(r.Context(), newestKey{}, id))
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
	Note string // what led here, if it is good news
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
	note := ""
	if r.URL.Query().Has("everywhere") {
		note = "Everybody is signed out, on every device."
	}
	return s.showLogin(w, r, signIn{next, box, note})
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
	attempt, err := s.Auth.Try(r.Context(), s.Client(r), password)
	if err != nil {
		return err
	}
	if err := s.record(r, attempt); err != nil {
		// On a full disk, too, somebody must get in and see what is wrong.
		s.Serve.Log.Warn("a sign-in could not be recorded", message.Unrecorded, "remote", event.Address(s.Client(r)), "ok", attempt.OK, "err", err)
	}
	switch {
	case attempt.Wait > 0:
		return s.tooMany(w, r, next, attempt.Wait)
	case !attempt.OK:
		return s.showLogin(w, r, signIn{Next: next, Box: "Invalid password"})
	}
	s.Auth.SignIn(w)
	http.Redirect(w, r, orDashboard(next), http.StatusSeeOther)
	return nil
}

// tooMany makes an address wait that has sent too many wrong passwords. Others are not concerned.
func (s surface) tooMany(w http.ResponseWriter, r *http.Request, next string, wait time.Duration) error {
	seconds := int(math.Ceil(wait.Seconds()))
	s.Serve.Wait(r, errors.New("too many wrong passwords from this address"))
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	box := fmt.Sprintf("Too many attempts from your address: try again in %s. The password was not looked at.", plural(seconds, "second", "seconds"))
	return s.show(w, r, view{Page: "login", Title: "Log in", Status: http.StatusTooManyRequests, Data: signIn{Next: next, Box: box}})
}

// record stores what became of a sign-in; of an address that is made to wait once.
func (s surface) record(r *http.Request, attempt auth.Attempt) error {
	e := event.Event{At: s.Now(), Kind: event.LoginSucceeded, SubjectKind: event.Auth, SubjectID: "operator", Actor: event.Operator, SourceIP: s.Client(r), Summary: "signed in"}
	switch {
	case attempt.Wait > 0 && !attempt.Refused:
		return nil
	case attempt.Wait > 0:
		e.Kind, e.Summary = event.LoginLimited, "too many wrong passwords from one address: it has to wait"
	case !attempt.OK:
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
