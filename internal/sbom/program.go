package sbom

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// AddProgram takes a program of ours in, with the modules that are linked into it.
func (b *Bill) AddProgram(path string) error {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return fmt.Errorf("what %s is made of: %w", path, err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	name := filepath.Base(path)
	program := cdx.Component{
		BOMRef: "program:" + name, Type: cdx.ComponentTypeApplication, Name: name, Version: b.subject.Version,
		Hashes: hashes(content), Licenses: licences("Apache-2.0"),
	}
	b.put(b.subject.BOMRef, program)
	b.put(program.BOMRef, module("stdlib", strings.TrimPrefix(info.GoVersion, "go"), "BSD-3-Clause"))
	for _, m := range info.Deps {
		linked := replaced(m)
		b.put(program.BOMRef, module(linked.Path, linked.Version, ""))
	}
	return nil
}

// replaced is the module that was linked in place of the one that go.mod names.
func replaced(m *debug.Module) *debug.Module {
	if m.Replace != nil {
		return m.Replace
	}
	return m
}

func module(path, version, licence string) cdx.Component {
	purl := "pkg:golang/" + path + "@" + version
	return cdx.Component{
		BOMRef: purl, Type: cdx.ComponentTypeLibrary, Name: path, Version: version, PackageURL: purl,
		Licenses: licences(licence),
	}
}

func hashes(content []byte) *[]cdx.Hash {
	sum := sha256.Sum256(content)
	return &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}}
}
