package registry

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// leeway is how long docker-registry takes a token after its end.
const leeway = 60 * time.Second

// Tokens is a token service that a registry trusts. It gives a token to User alone.
type Tokens struct {
	life time.Duration
	key  *ecdsa.PrivateKey
	cert []byte // DER

	mu    sync.Mutex
	given int
}

// StartTokens runs a registry that takes tokens alone, and the service that gives them. A token is
// good for life, to the second.
func StartTokens(t testing.TB, life time.Duration) (*Registry, *Tokens) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	self := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tokens"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	cert, err := x509.CreateCertificate(rand.Reader, self, self, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	tokens := &Tokens{life: life, key: key, cert: cert}
	server := httptest.NewServer(tokens)
	t.Cleanup(server.Close)
	bundle := filepath.Join(t.TempDir(), "tokens.pem")
	r := &Registry{TB: t, Host: freeAddress(t), private: true}
	r.write(bundle, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	r.access = fmt.Sprintf("auth: {token: {realm: %q, service: test, issuer: tokens, rootcertbundle: %q}}\n", server.URL+"/token", bundle)
	r.start()
	return r, tokens
}

// ServeHTTP gives a token for what is asked for.
func (s *Tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	user, password, _ := r.BasicAuth()
	if user != User || password != Password {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	s.given++
	token, err := s.token(r.URL.Query()["scope"])
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"token": token, "expires_in": 60})
}

// Given is how many tokens were given.
func (s *Tokens) Given() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.given
}

// token is a JWT as docker-registry takes it.
func (s *Tokens) token(scopes []string) (string, error) {
	type access struct {
		Type    string   `json:"type"`
		Name    string   `json:"name"`
		Actions []string `json:"actions"`
	}
	granted := []access{}
	for _, scope := range scopes {
		if part := strings.Split(scope, ":"); len(part) == 3 {
			granted = append(granted, access{part[0], part[1], strings.Split(part[2], ",")})
		}
	}
	now := time.Now()
	head, err := json.Marshal(map[string]any{"typ": "JWT", "alg": "ES256", "x5c": []string{base64.StdEncoding.EncodeToString(s.cert)}})
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(map[string]any{"iss": "tokens", "sub": User, "aud": "test", "nbf": now.Add(-time.Minute).Unix(),
		"iat": now.Unix(), "exp": now.Add(s.life - leeway).Unix(), "jti": fmt.Sprint(s.given), "access": granted})
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body)
	sum := sha256.Sum256([]byte(signed))
	x, y, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	if err != nil {
		return "", err
	}
	signature := append(x.FillBytes(make([]byte, 32)), y.FillBytes(make([]byte, 32))...)
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
