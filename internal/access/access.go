// Package access holds the use cases of API tokens: one is made, recognised by its secret, revoked.
package access

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/ledger"
	"bty/internal/message"
	"bty/internal/token"
)

// Tx is what the use cases need of one transaction.
type Tx interface {
	ledger.Appender
	Tokens() ([]token.Token, error)
	Token(token.ID) (token.Token, bool, error)
	PutToken(token.Token) error
	DeleteToken(token.ID) error
}

// Store runs transactions. Update returns once its writes are on disk.
type Store interface {
	View(func(Tx) error) error
	Update(context.Context, func(Tx) error) error
}

// Config is what the use cases work with.
type Config struct {
	Store  Store
	Ledger *ledger.Ledger
	Log    *slog.Logger
	Now    func() time.Time
}

// Tokens are the API tokens there are. It is safe for concurrent use.
type Tokens struct {
	Config
	mu     sync.Mutex
	all    []token.Token
	byHash map[token.Hash]int // index in all
	used   map[token.ID]use   // since the last flush
}

type use struct {
	at   time.Time
	from netip.Addr
}

const (
	maxTokens = 100
	maxName   = 64 // characters
)

// New reads the tokens that there are.
func New(c Config) (*Tokens, error) {
	t := &Tokens{Config: c, used: map[token.ID]use{}}
	return t, t.Refresh()
}

// Refresh reads the tokens again, after somebody else has changed them: a restore has.
func (t *Tokens) Refresh() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []token.Token
	if err := t.Store.View(func(tx Tx) (err error) { all, err = tx.Tokens(); return err }); err != nil {
		return err
	}
	t.index(all)
	return nil
}

// List returns the tokens in the order in which they were made, with their last use.
func (t *Tokens) List() []token.Token {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]token.Token, len(t.all))
	for i, one := range t.all {
		if u, ok := t.used[one.ID]; ok {
			one.UsedAt, one.UsedFrom = u.at, u.from
		}
		list[i] = one
	}
	return list
}

// Recognise returns the token that the secret belongs to and notes that it was used.
func (t *Tokens) Recognise(secret string, from netip.Addr) (token.Token, error) {
	hash, ok := token.HashOf(secret)
	if !ok {
		return token.Token{}, fault.New(fault.Unauthorized, "the API token does not have the form of one: %s and 52 characters", token.Prefix)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i, known := t.byHash[hash]
	if !known {
		return token.Token{}, fault.New(fault.Unauthorized, "the API token is not known here; it may have been revoked")
	}
	one, now := t.all[i], t.Now()
	if one.Expired(now) {
		return token.Token{}, fault.New(fault.Unauthorized, "the API token %q expired on %s; make a new one on the Account page", one.Name, one.ExpiresAt.UTC().Format(time.RFC3339))
	}
	t.used[one.ID] = use{now, from}
	return one, nil
}

// Request is a token to make.
type Request struct {
	Name      string
	Scope     token.Scope
	ExpiresAt time.Time // zero: never
}

func (r *Request) check(now time.Time) error {
	r.Name = strings.TrimSpace(r.Name)
	unprintable := strings.ContainsFunc(r.Name, func(c rune) bool { return !unicode.IsPrint(c) })
	switch {
	case r.Name == "" || unprintable || !utf8.ValidString(r.Name) || utf8.RuneCountInString(r.Name) > maxName:
		return fault.New(fault.Rejected, "the token needs a name of 1 to %d printable characters, like the program that will use it", maxName)
	case r.Scope != token.Read && r.Scope != token.Write:
		return fault.New(fault.Rejected, "the scope of a token is read or write, not %q", r.Scope)
	case !r.ExpiresAt.IsZero() && !r.ExpiresAt.After(now):
		return fault.New(fault.Rejected, "the token would have expired already; give a time to come, or none")
	}
	return nil
}

// Create makes a token and returns its secret, which nobody can look up again.
func (t *Tokens) Create(ctx context.Context, r Request, from netip.Addr) (token.Token, string, error) {
	if err := r.check(t.Now()); err != nil {
		return token.Token{}, "", err
	}
	secret := token.NewSecret()
	hash, _ := token.HashOf(secret)
	made := token.Token{ID: token.NewID(), Name: r.Name, Scope: r.Scope, Hash: hash, CreatedAt: t.Now().UTC(), ExpiresAt: r.ExpiresAt.UTC()}
	err := ledger.Commit(ctx, t.Ledger, t.Store.Update, func(tx Tx) ([]event.Event, error) {
		all, err := tx.Tokens()
		if err != nil {
			return nil, err
		}
		for _, other := range all {
			if other.Name == made.Name {
				return nil, fault.New(fault.Conflict, "there is a token with the name %q; revoke it first, or choose another name", made.Name)
			}
		}
		if len(all) >= maxTokens {
			return nil, fault.New(fault.Conflict, "there are %d tokens, the most there can be; revoke one that is not used", maxTokens)
		}
		return []event.Event{t.event(event.TokenCreated, made, from, fmt.Sprintf("API token %q made, scope %s", made.Name, made.Scope))}, tx.PutToken(made)
	})
	if err != nil {
		return token.Token{}, "", err
	}
	return made, secret, t.Refresh()
}

// Revoke ends a token at once.
func (t *Tokens) Revoke(ctx context.Context, id token.ID, from netip.Addr) error {
	err := ledger.Commit(ctx, t.Ledger, t.Store.Update, func(tx Tx) ([]event.Event, error) {
		gone, found, err := tx.Token(id)
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, fault.New(fault.NotFound, "no API token with id %s", id)
		}
		return []event.Event{t.event(event.TokenRevoked, gone, from, fmt.Sprintf("API token %q revoked", gone.Name))}, tx.DeleteToken(id)
	})
	if err != nil {
		return err
	}
	t.forget(id)
	return nil
}

// forget drops a token from memory, which cannot fail: it is revoked at once.
func (t *Tokens) forget(id token.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.index(slices.DeleteFunc(slices.Clone(t.all), func(one token.Token) bool { return one.ID == id }))
}

func (t *Tokens) index(all []token.Token) {
	t.all, t.byHash = all, make(map[token.Hash]int, len(all))
	for i, one := range all {
		t.byHash[one.Hash] = i
	}
}

type details struct {
	ID        token.ID    `json:"id"`
	Name      string      `json:"name"`
	Scope     token.Scope `json:"scope"`
	ExpiresAt time.Time   `json:"expires_at,omitzero"`
}

func (t *Tokens) event(kind event.Kind, one token.Token, from netip.Addr, summary string) event.Event {
	return event.Event{At: t.Now(), Kind: kind, SubjectKind: event.Auth, SubjectID: string(one.ID), Actor: event.Operator, SourceIP: from,
		Summary: summary, Details: ledger.Details(details{one.ID, one.Name, one.Scope, one.ExpiresAt}),
		Attrs: []slog.Attr{slog.String("token", one.Name)}}
}

// flushEvery is how old the stored time of a token's last use may be.
const flushEvery = time.Minute

// Run stores when tokens were last used, once in a while and at the end: a request costs no write.
func (t *Tokens) Run(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			t.flush(last)
			return nil
		case <-tick.C:
			t.flush(ctx)
		}
	}
}

func (t *Tokens) flush(ctx context.Context) {
	t.mu.Lock()
	used := t.used
	t.used = map[token.ID]use{}
	t.mu.Unlock()
	if len(used) == 0 {
		return
	}
	err := t.Store.Update(ctx, func(tx Tx) error {
		for id, u := range used {
			one, found, err := tx.Token(id)
			if err != nil {
				return err
			}
			if !found {
				continue // revoked since
			}
			one.UsedAt, one.UsedFrom = u.at.UTC(), u.from
			if err := tx.PutToken(one); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = t.Refresh()
	}
	if err != nil {
		t.Log.Warn("when API tokens were last used could not be stored", message.Unrecorded, "err", err)
	}
}
