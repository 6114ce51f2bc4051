package docs

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"bty/internal/config"
)

// TestConfiguration compares the table of configuration.md with the schema that is loaded.
func TestConfiguration(t *testing.T) {
	page, err := os.ReadFile("configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("| key | type | default | variable | what it does |\n|---|---|---|---|---|\n")
	for _, k := range config.Keys() {
		help := k.Help
		if k.Cred != "" {
			help += "; credential `" + k.Cred + "`"
		}
		fmt.Fprintf(&table, "| `%s` | %s | `%q` | `%s` | %s |\n", k, k.Type(), k.Default, k.Env(), help)
	}
	if !strings.Contains(string(page), table.String()) {
		t.Errorf("configuration.md does not have this table:\n%s", table.String())
	}
}

// TestWhatFollowsAtOnce compares the list of keys that take effect without a restart with the schema.
func TestWhatFollowsAtOnce(t *testing.T) {
	page, err := os.ReadFile("configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, found := strings.Cut(string(page), "At once follow")
	list, _, ends := strings.Cut(list, "; of every")
	if !found || !ends {
		t.Fatal("configuration.md has no list of the keys that follow at once")
	}
	for _, k := range config.Keys() {
		atOnce := k.Restart() == "" && k.Reload() == ""
		if named := strings.Contains(list, fmt.Sprintf("`%s`", k)); named != atOnce {
			t.Errorf("%s: it follows at once: %t; it is in the list: %t", k, atOnce, named)
		}
	}
}
