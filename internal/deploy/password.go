package deploy

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bty/internal/password"
)

// sealedDropIn has the service decrypt the credential.
const sealedDropIn = `# Made by bty-lab: the password of the pages is a credential that only this host can decrypt.
# systemd refuses to start the service while that cannot be done.
[Service]
LoadCredentialEncrypted=` + credentialName + "\n"

// setPassword keeps a password as kind says. What is kept is a hash, so nobody reads it back.
func setPassword(kind PasswordKind) Action {
	return action(func(ctx context.Context, e *Engine) error {
		plain := e.Password
		if plain == "" {
			plain = makeUp()
			e.made = plain
		}
		hash, err := hashed(plain)
		if err != nil {
			return err
		}
		switch kind {
		case Sealed:
			return e.seal(ctx, hash)
		case Credential:
			return e.credential(hash)
		case Secret:
			return e.podmanSecret(ctx, hash)
		case SecretFile:
			return e.composePassword(hash)
		}
		return fmt.Errorf("a password cannot be kept as %s", kind)
	})
}

// makeUp is 130 bits in groups that can be typed from a screen.
func makeUp() string {
	const group = 6
	text := strings.ToLower(rand.Text())
	var groups []string
	for ; len(text) > group; text = text[group:] {
		groups = append(groups, text[:group])
	}
	return strings.Join(groups, "-")
}

// hashed is a hash as it is, and of anything else the hash.
func hashed(s string) (string, error) {
	stored, err := password.Parse(s)
	if err != nil {
		return "", fmt.Errorf("the password that was brought cannot be used: %w", err)
	}
	if stored.IsHash() {
		return s, nil
	}
	return password.Hash(s), nil
}

// ReadPassword reads a file with a password, or with the hash of one.
func ReadPassword(path string) (string, error) {
	const most = 4096
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	text := strings.TrimRight(string(raw), "\r\n")
	if text == "" || len(text) > most || strings.ContainsAny(text, "\n\x00") {
		return "", fmt.Errorf("%s has to hold one line, the password or its hash", path)
	}
	if _, err := password.Parse(text); err != nil { // before anything is written
		return "", fmt.Errorf("the password in %s cannot be used: it %w", path, err)
	}
	return text, nil
}

// seal encrypts it for this host. Where that cannot be done a file does that root alone reads.
func (e *Engine) seal(ctx context.Context, hash string) error {
	dir := filepath.Dir(e.path(sealedPath))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	sealed, err := tool(ctx, hash, "systemd-creds", "encrypt", "--name="+credentialName, "-", "-")
	if ctx.Err() != nil {
		return err
	}
	if err != nil {
		e.Remark(fmt.Sprintf("systemd cannot encrypt a credential here (%v), so the password's hash is kept as %s.", err, Credential))
		return e.credential(hash)
	}
	if err := e.put(File{Path: sealedPath, Content: sealed, Mode: 0o600}); err != nil {
		return err
	}
	if err := e.put(File{Path: passwordDropIn, Content: sealedDropIn, Mode: 0o644}); err != nil {
		return err
	}
	return remove([]string{credentialPath}).do(ctx, e)
}

// credential keeps it where the unit looks by itself.
func (e *Engine) credential(hash string) error {
	if err := os.MkdirAll(filepath.Dir(e.path(credentialPath)), 0o700); err != nil {
		return err
	}
	if err := e.put(File{Path: credentialPath, Content: hash + "\n", Mode: 0o600}); err != nil {
		return err
	}
	return remove([]string{sealedPath, passwordDropIn}).do(context.Background(), e)
}
