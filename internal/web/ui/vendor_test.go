package ui

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What others released is here as they released it, each with its licence, and nothing beside it.
func TestVendoredFilesAreUnmodified(t *testing.T) {
	const root = "../../../"
	sums, err := os.ReadFile("vendor.sum")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for line := range strings.Lines(string(sums)) {
		want, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		content, err := os.ReadFile(root + name)
		if got := fmt.Sprintf("%x", sha256.Sum256(content)); err != nil || got != want {
			t.Errorf("%s is not as released: %v", name, err)
		}
		known[name] = true
	}
	for _, folder := range vendorFolders(t) {
		if !known[folder+"/LICENSE"] {
			t.Errorf("%s has no licence", folder)
		}
		files, err := filepath.Glob(root + folder + "/*")
		if err != nil || len(files) < 2 {
			t.Errorf("%s: %v %v", folder, files, err)
		}
		for _, file := range files {
			if !known[strings.TrimPrefix(file, root)] {
				t.Errorf("%s is in no release", file)
			}
		}
	}
}

// vendorFolders are where vendor.txt says that the packages go.
func vendorFolders(t *testing.T) (folders []string) {
	list, err := os.Open("vendor.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	for lines := bufio.NewScanner(list); lines.Scan(); {
		if words := strings.Fields(lines.Text()); len(words) > 3 && words[0] != "#" {
			folders = append(folders, words[2]+"/"+words[0]+"-"+words[1])
		}
	}
	if len(folders) < 5 {
		t.Fatalf("only %v", folders)
	}
	return folders
}
