package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{
		"": 0, "0": 0, "1048576": 1 << 20, "500M": 500 << 20, "1.5T": 3 << 39, "64GiB": 64 << 30, "64 gb": 64 << 30, "2k": 2048,
	} {
		if got, err := Size(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"G", "-1G", "5X", "1e9", "9999999P", "1GG", "five", "0x10", "inf", "5%"} {
		if got, err := Size(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}

func TestCacheKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bty.toml")
	load := func(doc string) (*Config, error) {
		if err := os.WriteFile(path, []byte("[cache]\n"+doc+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, _, err := Load(Source{Paths: []string{path}, Getenv: env("", nil)})
		return c, err
	}
	for doc, says := range map[string]string{
		`strict_miss = "true"`:                       "without quotes",
		`strict_miss = 1`:                            "true or false",
		`max_size = "much"`:                          "like 500G",
		`max_size = 5`:                               "put it in quotes",
		`min_free = "-1G"`:                           "is no size",
		`allow = "https://"`:                         "not how a source begins",
		`allow = "file:///etc/"`:                     "not how a source begins",
		`allow = "https://u@h/x"`:                    "not how a source begins",
		`allow = "https://h/x, h2/y"`:                "not how a source begins",
		`allow_private = "10.0.0.0/40"`:              "is no network",
		`allow_private = "lan"`:                      "is no network",
		`port = 0`:                                   "from 1 to 65535",
		`max_fills = 0`:                              "from 1 to 64",
		`revalidate_minutes = -1`:                    "from 0 to",
		`dir = 5`:                                    "put it in quotes",
		`strict_miss = [true]`:                       "true or false",
		`allow = "https://h/x?y=z"`:                  "not how a source begins",
		`allow_private = "10.0.0.0/8 192.168.0.0/8"`: "is no network",
	} {
		if _, err := load(doc); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", doc, err, says)
		}
	}
	c, err := load("strict_miss = true\nallow = 'https://h/linux/, oras://r:5000/x'\nallow_private = '10.1.2.3/8, ::1'\nmax_size = '1T'")
	if err != nil || !c.Cache.StrictMiss || c.Cache.MinFree != "" || c.Cache.Dir != DefaultCacheDir || c.CacheSocket() != "/run/bty/cache.sock" {
		t.Errorf("%+v, %v", c, err)
	}
	if nets, err := Networks(c.Cache.AllowPrivate); err != nil || len(nets) != 2 || nets[0].String() != "10.0.0.0/8" || nets[1].String() != "::1/128" {
		t.Errorf("%v, %v", nets, err)
	}
}

// A truth is written by the Settings page and taken from a variable.
func TestTruth(t *testing.T) {
	root := tree(t, map[string]string{"etc/bty.toml": "[cache]\nport = 3001 # ours\n"})
	src := Source{Etc: root + "/etc", Getenv: env(root, map[string]string{"BTY_PATHS_STATE_DIR": "@/none"})}
	if edit, err := Change(src, "cache", "strict_miss", "true"); err != nil || edit.Old != "false" || edit.New != "true" {
		t.Fatalf("%+v, %v", edit, err)
	}
	text, err := os.ReadFile(root + "/etc/bty.toml")
	if c, _, loadErr := Load(src); err != nil || loadErr != nil || !c.Cache.StrictMiss || !strings.Contains(string(text), "strict_miss = true\n") {
		t.Errorf("%s, %v, %v", text, err, loadErr)
	}
	if _, err := Change(src, "cache", "strict_miss", "perhaps"); err == nil {
		t.Error("perhaps is a truth")
	}
	c, _, err := Load(Source{Etc: root + "/etc", Getenv: env(root, map[string]string{"BTY_CACHE_STRICT_MISS": " False"})})
	if err != nil || c.Cache.StrictMiss {
		t.Errorf("%v", err)
	}
}
