package guide

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// bash is a world of nothing but a shell.
func bash(ctx context.Context, script string) (string, error) {
	out, err := exec.CommandContext(ctx, "bash", "-c", script).CombinedOutput()
	return string(out), err
}

func document(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "some.md")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// What is right runs, in one shell; what is of another world does not.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	path := document(t, "# A guide", "", "```sh run=here", "X=1", "```", "Then:", "", "```sh run=elsewhere", "exit 9", "```",
		"```sh not run: it would end the world", "exit 8", "```",
		"- in a list:", "", "  ```toml file="+dir+"/sub/f.toml run=here", "  [a]", "    b = \"$X\"", "  ```", "",
		"```sh run=here", "echo \"X is $X\"; cat "+dir+"/sub/f.toml", "```", "```text answer", "X is ...", "...", "  b = \"$X\"", "```")
	ran, err := Run(t.Context(), bash, "here", path)
	if err != nil || ran != 3 {
		t.Errorf("%d blocks, %v", ran, err)
	}
	if ran, err := Run(t.Context(), bash, "nowhere", path); ran != 0 || err != nil {
		t.Errorf("%d, %v", ran, err)
	}
}

// What is wrong is told with its place.
func TestRunFails(t *testing.T) {
	for _, c := range []struct {
		name, says string
		text       []string
	}{
		{"a command in the middle", "some.md:2: exit status 1", []string{"```sh run=here", "false", "echo on", "```", "```sh run=here", "true", "```"}},
		{"the head of a pipe", "some.md:2: exit status 1", []string{"```sh run=here", "false | cat", "```"}},
		{"a variable that is not set", "unbound variable", []string{"```sh run=here", "echo $NOPE", "```"}},
		{"an early end", "some.md:5: the shell ended before it", []string{"```sh run=here", "exit 0", "```", "```sh run=here", "true", "```"}},
		{"another answer", "and it was", []string{"```sh run=here", "echo a", "```", "```text answer", "b", "```"}},
		{"an answer that is only begun", "and it was", []string{"```sh run=here", "echo a; echo b", "```", "```text answer", "a", "```"}},
		{"a misspelled mark", "no mark", []string{"```sh runs=here", "true", "```"}},
		{"no end", "does not end", []string{"```sh run=here", "true"}},
		{"an answer to nothing", "answer to nothing", []string{"```text answer", "b", "```"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Run(t.Context(), bash, "here", document(t, c.text...)); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("want %q: %v", c.says, err)
			}
		})
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		want, got string
		matches   bool
	}{
		{"a", "a\n", true}, {"a", "\na", true}, {"a", "b", false}, {"a", "a\nb", false},
		{"a...c", "abbc", true}, {"a...c", "ab", false}, {"a...b...c", "axbxc", true}, {"a...b...c", "axxc", false},
		{"...", "a\nb", true}, {"a\n...", "a", true}, {"a\n...\nz", "a\nb\nc\nz", true}, {"a\n...\nz", "a\nb", false},
	} {
		if got := Matches(strings.Split(c.want, "\n"), c.got); got != c.matches {
			t.Errorf("%q against %q: %v", c.want, c.got, got)
		}
	}
}
