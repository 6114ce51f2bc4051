package main

import (
	"bytes"
	"strings"
	"testing"

	"bty/internal/image"
)

// What is missing on the command line is named before anything is written.
func TestRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		date string
		args []string
		says string
	}{
		"no date":              {"", []string{"x86_64=bin"}, "SOURCE_DATE_EPOCH"},
		"no programs":          {"1700000000", nil, "no programs named"},
		"unknown architecture": {"1700000000", []string{"riscv64=bin"}, `"riscv64"; x86_64 and arm64 are known`},
		"no licences":          {"1700000000", []string{"-licences", "/none", "x86_64=bin"}, "open /none"},
		"unknown flag":         {"1700000000", []string{"-base", "debian"}, "-base"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("SOURCE_DATE_EPOCH", tt.date)
			out := t.TempDir()
			var errs bytes.Buffer
			err := run(append([]string{"-out", out + "/images"}, tt.args...), &bytes.Buffer{}, &errs)
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %q", err, tt.says)
			}
		})
	}
}

// The promise is kept by the program that makes the images, not by who looks at its output.
func TestBudget(t *testing.T) {
	var out bytes.Buffer
	o := order{from: []programs{{image.X86, "bin"}}, out: "build/images"}
	if err := o.sum(map[image.Arch]image.Bytes{image.X86: {Packed: 1 << 20, Unpacked: budget}}, &out); err != nil {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "podman load -i build/images/bty-web.x86_64.tar") {
		t.Errorf("it does not say what comes next: %s", &out)
	}
	err := o.sum(map[image.Arch]image.Bytes{image.X86: {Packed: 1 << 20, Unpacked: budget + 1}}, &out)
	if err == nil || !strings.Contains(err.Error(), "more than the 60 MiB that are promised") {
		t.Error(err)
	}
}
