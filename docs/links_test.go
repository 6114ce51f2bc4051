package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#{1,6} +(.+?)\s*$`)
	fenced  = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	quoted  = regexp.MustCompile("`[^`\n]*`")
	noSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// TestLinks follows every relative link of every document of the repository, to the file and to the
// heading in it.
func TestLinks(t *testing.T) {
	followed := 0
	for _, path := range markdown(t) {
		for _, target := range links(t, path) {
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			followed++
			if problem := follow(t, path, target); problem != "" {
				t.Errorf("%s links to %s: %s", path, target, problem)
			}
		}
	}
	if followed < 80 {
		t.Errorf("only %d links were found", followed)
	}
}

// TestMap sees to it that each document is on the map, docs/README.md.
func TestMap(t *testing.T) {
	on := map[string]bool{"README.md": true}
	for _, target := range links(t, "README.md") {
		file, _, _ := strings.Cut(target, "#")
		on[file] = true
	}
	all, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		if !on[name] {
			t.Errorf("docs/README.md does not lead to %s", name)
		}
	}
}

// markdown lists the repository's documents.
func markdown(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "..", ":(glob)../**/*.md").Output()
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for name := range strings.FieldsSeq(string(out)) {
		if strings.HasSuffix(name, ".md") {
			paths = append(paths, name)
		}
	}
	return paths
}

// links are what a document links to, outside of code.
func links(t *testing.T, path string) []string {
	t.Helper()
	var targets []string
	for _, m := range link.FindAllStringSubmatch(quoted.ReplaceAllString(prose(t, path), ""), -1) {
		targets = append(targets, m[1])
	}
	return targets
}

func prose(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fenced.ReplaceAllString(string(text), "")
}

// follow says what is wrong with a link, "" if nothing is.
func follow(t *testing.T, from, target string) string {
	t.Helper()
	file, anchor, _ := strings.Cut(target, "#")
	path := from
	if file != "" {
		path = filepath.Join(filepath.Dir(from), file)
	}
	if _, err := os.Stat(path); err != nil {
		return "there is no " + path
	}
	if anchor == "" || !strings.HasSuffix(path, ".md") {
		return ""
	}
	for _, m := range heading.FindAllStringSubmatch(prose(t, path), -1) {
		if slug(m[1]) == anchor {
			return ""
		}
	}
	return "no heading there has that anchor"
}

// slug is the anchor that forges make of a heading.
func slug(heading string) string {
	return strings.ReplaceAll(noSlug.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), ""), " ", "-")
}
