package packaging_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// help is what the programs say about themselves, by the name of the manual page.
func help(t *testing.T) map[string]string {
	t.Helper()
	said := map[string]string{}
	for _, program := range programs(t) {
		page := page(program)
		if page == "" {
			continue
		}
		said[page] = ask(t, program)
		for _, command := range subcommands(said[page]) {
			if program == "bty-lab" {
				said[page] += askTree(t, program, command)
			}
		}
	}
	return said
}

// helpers are started by other programs; nobody types their names.
var helpers = []string{"bty-sniff-open"}

func page(program string) string {
	switch {
	case slices.Contains(helpers, program):
		return ""
	case program == "bty" || program == "bty-lab":
		return program + ".1"
	}
	return program + ".8"
}

func ask(t *testing.T, program string, words ...string) string {
	t.Helper()
	cmd := exec.Command(built(t).bin(program), append(words, "--help")...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("%s %s --help: %v\n%s", program, strings.Join(words, " "), err, &out)
	}
	return out.String()
}

// askTree asks a command and those below it.
func askTree(t *testing.T, program string, words ...string) string {
	t.Helper()
	said := ask(t, program, words...)
	if !strings.Contains(said, " COMMAND\n") {
		return said
	}
	for _, sub := range subcommands(said) {
		said += askTree(t, program, append(slices.Clone(words), sub)...)
	}
	return said
}

// subcommands are the words of a list of commands: two spaces, a word, a summary.
func subcommands(said string) (words []string) {
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z][a-z-]*) {2,}\S`).FindAllStringSubmatch(said, -1) {
		words = append(words, m[1])
	}
	return words
}

// flags are the options that a text names, however many hyphens it gives them.
func flags(text string) (names []string) {
	for _, m := range regexp.MustCompile(`(?m)(?:^|[\s\[(|'"=*])--?([a-z][a-z0-9-]+)`).FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// roff is the text of a manual page without its markup.
func roff(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("../docs/man", name))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(raw), `\-`, "-")
	text = regexp.MustCompile(`\\f.`).ReplaceAllString(text, "")
	return regexp.MustCompile(`(?s)\.EX\n.*?\.EE`).ReplaceAllString(text, "")
}

// A page names the options that the program names, and no others.
func TestManualsNameEveryOption(t *testing.T) {
	for name, said := range help(t) {
		text := roff(t, name)
		want := flags(said)
		for _, f := range want {
			if !strings.Contains(text, "--"+f) && f != "help" {
				t.Errorf("%s does not explain --%s", name, f)
			}
		}
		for _, f := range flags(text) {
			if !slices.Contains(want, f) && f != "help" && f != "now" {
				t.Errorf("%s explains --%s, which the program does not name", name, f)
			}
		}
		for _, c := range subcommands(said) {
			if !regexp.MustCompile(`(?m)^\.(BR?|BI|RI) .*\b` + c + `\b|^\\?f?B?` + c + `\b|\b` + c + `\b`).MatchString(text) {
				t.Errorf("%s does not explain %s", name, c)
			}
		}
	}
}

// The pages format without a complaint.
func TestManualsFormat(t *testing.T) {
	pages, err := filepath.Glob("../docs/man/*.[1-8]")
	if err != nil || len(pages) < 5 {
		t.Fatal(pages, err)
	}
	for _, p := range pages {
		cmd := exec.Command("groff", "-man", "-Tutf8", "-ww", p)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		if out, err := cmd.Output(); err != nil || errs.Len() > 0 || len(out) == 0 {
			t.Errorf("%s: %v\n%s", p, err, &errs)
		}
	}
}

// Units and pages that units name exist.
func TestUnitsNamePagesThatExist(t *testing.T) {
	units, err := filepath.Glob("../units/bty*.*")
	if err != nil || len(units) == 0 {
		t.Fatal(units, err)
	}
	for _, u := range units {
		text, err := os.ReadFile(u)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`man:(bty[a-z.-]*)\((\d)\)`).FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat("../docs/man/" + m[1] + "." + m[2]); err != nil {
				t.Errorf("%s names a page that does not exist: %v", u, err)
			}
		}
	}
}
