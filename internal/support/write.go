package support

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"time"
)

// Write makes the bundle, a tar.gz with everything in one folder, with a page about it first.
func Write(w io.Writer, folder string, at time.Time, files []File, secrets *Redactor) error {
	packed := gzip.NewWriter(w)
	out := tar.NewWriter(packed)
	add := func(name string, text []byte) error {
		text = secrets.Redact(text)
		header := &tar.Header{Name: folder + "/" + name, Mode: 0o600, Size: int64(len(text)), ModTime: at}
		if err := out.WriteHeader(header); err != nil {
			return err
		}
		_, err := out.Write(text)
		return err
	}
	if err := add("README", about(at, files)); err != nil {
		return err
	}
	for _, f := range files {
		if f.Err != nil {
			f.Text = fmt.Appendf(f.Text, "\n(not whole: %v)\n", f.Err)
		}
		if err := add(f.Name, f.Text); err != nil {
			return err
		}
	}
	if err := out.Close(); err != nil {
		return err
	}
	return packed.Close()
}

func about(at time.Time, files []File) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "A bundle for support, made %s.\n\n", at.UTC().Format(time.RFC3339))
	fmt.Fprintf(&b, "Passwords, tokens, keys, and user and query of URLs are %s. Serial numbers are named serial-1 and so on.\n"+
		"MACs, addresses, labels, names of hosts and images are there as they are. Look at the files before you send them.\n\n", Removed)
	for _, f := range files {
		fmt.Fprintf(&b, "%-18s %s\n", f.Name, f.About)
	}
	b.WriteString("\n")
	for _, gap := range Gaps(files) {
		fmt.Fprintln(&b, gap)
	}
	return b.Bytes()
}

// Gaps says which files are not whole, in a line for each reason.
func Gaps(files []File) (lines []string) {
	names := map[string][]string{}
	var reasons []string
	for _, f := range files {
		if f.Err == nil {
			continue
		}
		reason := strings.ReplaceAll(strings.TrimSpace(f.Err.Error()), "\n", "; ")
		if names[reason] == nil {
			reasons = append(reasons, reason)
		}
		names[reason] = append(names[reason], f.Name)
	}
	for _, r := range reasons {
		lines = append(lines, fmt.Sprintf("not whole: %s: %s", strings.Join(names[r], ", "), r))
	}
	return lines
}
