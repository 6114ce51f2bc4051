package packaging_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

var completions = map[string]map[string]string{
	"bty":     {"bash": "completions/bash/bty", "zsh": "completions/zsh/_bty", "fish": "completions/fish/bty.fish"},
	"bty-lab": {"bash": "completions/bash/bty-lab", "zsh": "completions/zsh/_bty-lab", "fish": "completions/fish/bty-lab.fish"},
}

// Each shell's file names each command and each option that the program names.
func TestCompletionsNameEveryOption(t *testing.T) {
	said := help(t)
	for program, files := range completions {
		text := said[program+".1"]
		words := subcommands(text)
		if program == "bty" {
			words = []string{"disks", "flash", "inventory"}
		}
		for shell, name := range files {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range flags(text) {
				if f == "help" {
					continue
				}
				if option := map[bool]string{true: "-l " + f, false: "--" + f}[shell == "fish"]; !strings.Contains(string(content), option) {
					t.Errorf("%s does not know --%s", name, f)
				}
			}
			for _, w := range words {
				if !strings.Contains(string(content), w) {
					t.Errorf("%s does not know %s", name, w)
				}
			}
		}
	}
}

// complete asks a shell, as the Tab key would.
var complete = map[string]string{
	// COMP_WORDS as bash fills it.
	"bash": `compopt() { :; }; source "$1"; shift
		COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); "_${1//-/_}"; printf '%s\n' "${COMPREPLY[@]}"`,
	// _describe and _arguments call compadd; without a line editor their arguments are looked at.
	"zsh": `file=$1; shift
		_describe() { print -l -- ${${(P)2}%%:*} }
		_values() { shift; print -l -- ${@%%\[*} }
		_arguments() { local a; for a; do a=${a#\*}; a=${a%%\[*}; print -- ${a%%=-*}; done }
		words=("$@"); CURRENT=$#; complete() { eval "$(<$file)" }; complete`,
	"fish": `source $argv[1]; complete -C (string join ' ' -- $argv[2..]) | string split -f1 \t`,
}

func TestCompletionsComplete(t *testing.T) {
	for _, c := range []struct {
		line []string
		want string
		not  string
	}{
		{[]string{"bty", ""}, "flash", ""},
		{[]string{"bty", "flash", "--"}, "--image", "--server"},
		{[]string{"bty-lab", ""}, "restore", ""},
		{[]string{"bty-lab", "liveenv", ""}, "build", ""},
		{[]string{"bty-lab", "backup", "--"}, "--if-due", "--replace"},
		{[]string{"bty-lab", "liveenv", "build", "--"}, "--kernel-package", "--yes"},
	} {
		for shell, script := range complete {
			args := []string{"-c", script}
			if shell != "fish" {
				args = append(args, shell)
			}
			args = append(args, completions[c.line[0]][shell])
			out, err := exec.Command(shell, append(args, c.line...)...).CombinedOutput()
			words := strings.Fields(string(out))
			if err != nil || !slices.Contains(words, c.want) || c.not != "" && slices.Contains(words, c.not) {
				t.Errorf("%s (apt-get install %s) completes %q: %v, %q; want %q, not %q", shell, shell, c.line, err, words, c.want, c.not)
			}
		}
	}
}
