package ui

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"bty/internal/access"
	"bty/internal/config"
	"bty/internal/fault"
	"bty/internal/token"
	"bty/internal/web/auth"
)

func (s surface) accountRoutes(r routes) {
	r.own("GET /ui/account", s.account)
	r.own("POST /ui/account/password", s.changePassword)
	r.own("GET /ui/account/sign-out", s.askSignOut)
	r.own("POST /ui/account/sign-out", s.signOutEverywhere)
	r.own("POST /ui/account/tokens", s.createToken)
	r.own("GET /ui/account/tokens/{id}/revoke", s.askRevoke)
	r.own("POST /ui/account/tokens/{id}/revoke", s.revokeToken)
}

// accountPage is what the page shows.
type accountPage struct {
	Origin config.Origin // of the password
	Locked bool          // it cannot be changed here
	Tokens []tokenRow
	Made   *madeToken // the token that was just made
	Host   string
}

type tokenRow struct {
	token.Token
	Expired bool
}

// madeToken has the secret that is shown this once.
type madeToken struct{ Name, Secret string }

var savedAccount = map[string]string{
	"password": "The password is changed. Everybody who was signed in with the old one is signed out, you are not.",
	"revoked":  "The token is revoked: nothing gets in with it any more.",
}

func (s surface) account(w http.ResponseWriter, r *http.Request) error {
	return s.showAccount(w, r, nil)
}

func (s surface) showAccount(w http.ResponseWriter, r *http.Request, made *madeToken) error {
	origin := s.Settings.PasswordFrom()
	data := accountPage{Origin: origin, Locked: origin.Variable != "" || origin.Cred != "", Made: made, Host: r.Host}
	for _, one := range s.Tokens.List() {
		data.Tokens = append(data.Tokens, tokenRow{one, one.Expired(s.Now())})
	}
	return s.show(w, r, view{Page: "account", Title: "Account", Section: "account", Saved: savedAccount, Data: data})
}

const (
	shortestPassword = 8 // bytes
	longestPassword  = 1024
)

// changePassword asks for the password in force: who finds an open page does not own the appliance.
func (s surface) changePassword(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	attempt, err := s.Auth.Try(r.Context(), s.Client(r), form.Get("current"))
	if err != nil {
		return err
	}
	if err := s.mayChange(attempt, form); err != nil {
		return done(w, r, "/ui/account", "", err)
	}
	_, err = s.Settings.SetPassword(r.Context(), form.Get("new"), s.Client(r))
	if refused, ok := errors.AsType[*config.EditError](err); ok {
		return done(w, r, "/ui/account", "", fault.Wrap(fault.Rejected, err, "the password was not changed: %s", refused.What))
	} else if err != nil {
		return err
	}
	s.Auth.SignIn(w)
	return done(w, r, "/ui/account", "password", nil)
}

func (s surface) mayChange(attempt auth.Attempt, form url.Values) error {
	next := form.Get("new")
	switch {
	case attempt.Wait > 0:
		return fault.New(fault.Rejected, "too many wrong passwords from your address: try again in %s", attempt.Wait.Round(time.Second))
	case !attempt.OK:
		return fault.New(fault.Rejected, "the current password is wrong: nothing was changed")
	case next != form.Get("again"):
		return fault.New(fault.Rejected, "the new password was typed in two ways: type it again")
	case next == auth.DefaultPassword:
		return fault.New(fault.Rejected, "that is the well-known default password: choose your own")
	case len(next) < shortestPassword || len(next) > longestPassword:
		return fault.New(fault.Rejected, "the new password must have from %d to %d bytes", shortestPassword, longestPassword)
	}
	return nil
}

func (s surface) askSignOut(w http.ResponseWriter, r *http.Request) error {
	return s.confirm(w, r, confirmation{Title: "Sign out everywhere", Section: "account", Action: "/ui/account/sign-out", Button: "Sign out everywhere", Cancel: "/ui/account",
		Text: "Every browser that is signed in, this one too, has to log in again. API tokens go on working."})
}

func (s surface) signOutEverywhere(w http.ResponseWriter, r *http.Request) error {
	if err := s.Settings.EndSessions(r.Context(), s.Client(r)); err != nil {
		return err
	}
	s.Auth.SignOut(w)
	http.Redirect(w, r, "/ui/login?everywhere=1", http.StatusSeeOther)
	return nil
}

// lifetimes are what the form offers, in days.
var lifetimes = map[string]int{"30": 30, "90": 90, "365": 365, "": 0}

// createToken shows the secret on the page that answers: it must stand in no URL.
func (s surface) createToken(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	request := access.Request{Name: form.Get("name"), Scope: token.Scope(form.Get("scope"))}
	days, known := lifetimes[form.Get("days")]
	switch {
	case !known:
		return done(w, r, "/ui/account", "", fault.New(fault.Rejected, "%s is no lifetime that the form offers", strconv.Quote(form.Get("days"))))
	case days > 0:
		request.ExpiresAt = s.Now().AddDate(0, 0, days)
	}
	made, secret, err := s.Tokens.Create(r.Context(), request, s.Client(r))
	if err != nil {
		return done(w, r, "/ui/account", "", err)
	}
	return s.showAccount(w, r, &madeToken{made.Name, secret})
}

func (s surface) askRevoke(w http.ResponseWriter, r *http.Request) error {
	id := token.ID(r.PathValue("id"))
	for _, one := range s.Tokens.List() {
		if one.ID == id {
			return s.confirm(w, r, confirmation{Title: "Revoke " + one.Name, Section: "account", Action: "/ui/account/tokens/" + url.PathEscape(string(id)) + "/revoke",
				Button: "Revoke", Cancel: "/ui/account", Text: "Whatever uses this token is refused from now on. That cannot be undone; a new token has a new secret."})
		}
	}
	return fault.New(fault.NotFound, "no API token with id %s", id)
}

func (s surface) revokeToken(w http.ResponseWriter, r *http.Request) error {
	return done(w, r, "/ui/account", "revoked", s.Tokens.Revoke(r.Context(), token.ID(r.PathValue("id")), s.Client(r)))
}
