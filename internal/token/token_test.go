package token

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestSecrets(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		secret := NewSecret()
		hash, ok := HashOf(secret)
		if !ok || seen[secret] || !strings.HasPrefix(secret, "bty_") {
			t.Fatalf("%q", secret)
		}
		seen[secret] = true
		raw, err := json.Marshal(Token{Hash: hash})
		var back Token
		if err != nil || json.Unmarshal(raw, &back) != nil || back.Hash != hash || strings.Contains(string(raw), secret) {
			t.Fatalf("%s %v", raw, err)
		}
	}
	for _, bad := range []string{"", "bty_", "bty_x", strings.ToUpper(NewSecret()), NewSecret() + "a", "x" + NewSecret(), NewSecret() + "\n", "gho_" + strings.Repeat("a", 52)} {
		if _, ok := HashOf(bad); ok {
			t.Errorf("%q has the form of a secret", bad)
		}
	}
	for _, bad := range []string{`{"hash":"00"}`, `{"hash":"zz"}`, `{"hash":"` + strings.Repeat("0", 66) + `"}`} {
		if json.Unmarshal([]byte(bad), &Token{}) == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func TestExpired(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		expires time.Time
		want    bool
	}{{time.Time{}, false}, {now, true}, {now.Add(time.Second), false}, {now.Add(-time.Second), true}} {
		if got := (Token{ExpiresAt: tt.expires}).Expired(now); got != tt.want {
			t.Errorf("%v: %v", tt.expires, got)
		}
	}
}
