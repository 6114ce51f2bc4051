package access

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/ledger"
	"bty/internal/store"
	"bty/internal/token"
)

var (
	here   = netip.MustParseAddr("192.0.2.9")
	moment = time.Date(2026, 11, 25, 21, 0, 0, 0, time.UTC)
)

type real struct{ *store.Store }

func (s real) View(fn func(Tx) error) error {
	return s.Store.View(func(tx *store.Tx) error { return fn(tx) })
}

func (s real) Update(ctx context.Context, fn func(Tx) error) error {
	return s.Store.Update(ctx, func(tx *store.Tx) error { return fn(tx) })
}

type world struct {
	*Tokens
	state *store.Store
	now   time.Time
}

func open(t *testing.T) *world {
	t.Helper()
	state, err := store.Open(filepath.Join(t.TempDir(), "bty.db"), "test")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = state.Run(context.Background()) }()
	t.Cleanup(func() { state.Close() })
	w := &world{state: state, now: moment}
	quiet := slog.New(slog.DiscardHandler)
	w.Tokens, err = New(Config{Store: real{state}, Ledger: ledger.New(quiet), Log: quiet, Now: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) events(t *testing.T) (list []string) {
	t.Helper()
	err := w.state.View(func(tx *store.Tx) error {
		found, err := tx.Events(event.Filter{})
		for _, e := range found {
			list = append(list, fmt.Sprintf("%s %s %s", e.Kind, e.By, e.Details))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestLife(t *testing.T) {
	w := open(t)
	made, secret, err := w.Create(t.Context(), Request{Name: " ci ", Scope: token.Write, ExpiresAt: moment.Add(time.Hour)}, here)
	if err != nil || made.Name != "ci" || made.Scope != token.Write || !made.CreatedAt.Equal(moment) {
		t.Fatal(made, err)
	}
	w.now = moment.Add(time.Minute)
	if got, err := w.Recognise(secret, here); err != nil || got.ID != made.ID {
		t.Fatal(got, err)
	}
	if list := w.List(); len(list) != 1 || !list[0].UsedAt.Equal(w.now) || list[0].UsedFrom != here {
		t.Errorf("%+v", list)
	}
	commits := w.state.Commits()
	for range 100 {
		_, _ = w.Recognise(secret, here)
	}
	if w.state.Commits() != commits {
		t.Error("using a token writes")
	}
	w.flush(t.Context())
	if err := w.Refresh(); err != nil || !w.List()[0].UsedAt.Equal(w.now) || w.state.Commits() != commits+1 {
		t.Errorf("after the flush: %+v %v", w.List(), err)
	}
	w.now = moment.Add(time.Hour)
	if _, err := w.Recognise(secret, here); fault.KindOf(err) != fault.Unauthorized || !strings.Contains(err.Error(), "expired on 2026-11-25T22:00:00Z") {
		t.Errorf("%v", err)
	}
	w.now = moment
	if err := w.Revoke(event.WithBy(t.Context(), "control socket"), made.ID, here); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Recognise(secret, here); fault.KindOf(err) != fault.Unauthorized || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("%v", err)
	}
	if err := w.Revoke(t.Context(), made.ID, here); fault.KindOf(err) != fault.NotFound {
		t.Errorf("%v", err)
	}
	about := fmt.Sprintf(`{"id":"%s","name":"ci","scope":"write","expires_at":"2026-11-25T22:00:00Z"}`, made.ID)
	if got := strings.Join(w.events(t), "\n"); got != "auth.token.revoked control socket "+about+"\nauth.token.created  "+about {
		t.Errorf("%s", got)
	}
}

func TestRefusals(t *testing.T) {
	w := open(t)
	if _, _, err := w.Create(t.Context(), Request{Name: "one", Scope: token.Read}, here); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		Request
		kind fault.Kind
	}{
		"no name":      {Request{Name: "  ", Scope: token.Read}, fault.Rejected},
		"long":         {Request{Name: strings.Repeat("x", 65), Scope: token.Read}, fault.Rejected},
		"control":      {Request{Name: "a\nb", Scope: token.Read}, fault.Rejected},
		"not text":     {Request{Name: "\xff", Scope: token.Read}, fault.Rejected},
		"scope":        {Request{Name: "x", Scope: "admin"}, fault.Rejected},
		"expired":      {Request{Name: "x", Scope: token.Read, ExpiresAt: moment}, fault.Rejected},
		"name is used": {Request{Name: "one", Scope: token.Write}, fault.Conflict},
	} {
		if _, secret, err := w.Create(t.Context(), tt.Request, here); fault.KindOf(err) != tt.kind || secret != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range maxTokens - 1 {
		if _, _, err := w.Create(t.Context(), Request{Name: fmt.Sprint("n", i), Scope: token.Read}, here); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := w.Create(t.Context(), Request{Name: "one too many", Scope: token.Read}, here); fault.KindOf(err) != fault.Conflict {
		t.Errorf("%v", err)
	}
	if n := len(w.List()); n != maxTokens {
		t.Errorf("%d tokens", n)
	}
}

// The last use is stored when the process ends, and a token that was revoked meanwhile stays gone.
func TestLastUseSurvives(t *testing.T) {
	w := open(t)
	kept, keptSecret, _ := w.Create(t.Context(), Request{Name: "kept", Scope: token.Read}, here)
	gone, goneSecret, _ := w.Create(t.Context(), Request{Name: "gone", Scope: token.Read}, here)
	for _, secret := range []string{keptSecret, goneSecret} {
		if _, err := w.Recognise(secret, here); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Revoke(t.Context(), gone.ID, here); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Run(ctx); err != nil {
		t.Fatal(err)
	}
	again, err := New(w.Config)
	if err != nil {
		t.Fatal(err)
	}
	if list := again.List(); len(list) != 1 || list[0].ID != kept.ID || !list[0].UsedAt.Equal(moment) {
		t.Errorf("%+v", list)
	}
}
