package main

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"bty/internal/config"
	"bty/internal/support"
)

// tellSecrets tells all secrets that this user can read. None of them is collected; but a text may
// have one all the same, as a line of the journal with what somebody typed in the wrong place.
func (a *appliance) tellSecrets(secrets *support.Redactor) {
	for _, k := range config.Keys() {
		if !k.Secret {
			continue
		}
		if !a.config.Origin(k.String()).IsDefault() {
			secrets.Secret(k.Value(a.config))
		}
		secrets.Secret(textOf(filepath.Join("/etc/credstore", k.Cred)))
	}
	secrets.Secret(textOf(filepath.Join(a.config.Paths.StateDir, "session-secret")))
	for _, file := range []string{a.config.ORAS.CredentialsFile, "/etc/credstore/bty.oras-credentials"} {
		tellRegistries(secrets, textOf(file))
	}
}

func textOf(path string) string {
	if path == "" {
		return ""
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "" // who cannot read it cannot tell it either
	}
	return string(text)
}

// tellRegistries tells what docker's config.json holds.
func tellRegistries(secrets *support.Redactor, text string) {
	var file struct {
		Auths map[string]map[string]any `json:"auths"`
	}
	if json.Unmarshal([]byte(text), &file) != nil {
		return
	}
	for _, entry := range file.Auths {
		for key, value := range entry {
			v, ok := value.(string)
			if !ok || key == "username" || key == "email" {
				continue
			}
			secrets.Secret(v)
			if plain, err := base64.StdEncoding.DecodeString(v); err == nil && key == "auth" {
				_, password, _ := strings.Cut(string(plain), ":")
				secrets.Secret(password)
			}
		}
	}
}
