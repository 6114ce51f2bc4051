package diskimg

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func build(t *testing.T, spec Spec) Image {
	t.Helper()
	image, err := Build(context.Background(), filepath.Join(t.TempDir(), "disk.img"), spec)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func tool(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v (apt-get install fdisk gdisk dosfstools mtools if it is missing)\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// The tables are read by the tools that people would read them with.
func TestTablesAreWhatOthersRead(t *testing.T) {
	mbr := build(t, Spec{Line: "hello", Size: MinSize})
	if out := tool(t, "sfdisk", "--json", mbr.File); !strings.Contains(out, `"type": "ef"`) || strings.Count(out, `"node"`) != 2 {
		t.Errorf("sfdisk reads the MBR as\n%s", out)
	}
	gpt := build(t, Spec{Line: "hello", Size: MinSize, Table: GPT})
	if out := tool(t, "sgdisk", "--verify", gpt.File); !strings.Contains(out, "No problems found") {
		t.Errorf("sgdisk says\n%s", out)
	}
	if out := tool(t, "sfdisk", "--json", gpt.File); !strings.Contains(out, "C12A7328-F81F-11D2-BA4B-00A0C93EC93B") {
		t.Errorf("sfdisk reads the GPT as\n%s", out)
	}
}

func TestSystemPartitionIsClean(t *testing.T) {
	esp, err := systemPartition(context.Background(), efiPrograms("hello"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "esp")
	if err := os.WriteFile(file, esp, 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "fsck.fat", "-n", file)
	if out := tool(t, "mdir", "-i", file, "::/EFI/BOOT"); !strings.Contains(out, "BOOTX64") || !strings.Contains(out, "BOOTAA64") {
		t.Errorf("mdir says\n%s", out)
	}
}

func TestSameSpecSameImage(t *testing.T) {
	spec := Spec{Line: "hello", Size: MinSize, Table: GPT, Seed: 1}
	first, second := build(t, spec), build(t, spec)
	spec.Seed = 2
	third := build(t, spec)
	if first.SHA256 != second.SHA256 {
		t.Errorf("the same spec made %s and %s", first.SHA256, second.SHA256)
	}
	if first.SHA256 == third.SHA256 {
		t.Error("another seed made the same image")
	}
}

func TestPack(t *testing.T) {
	raw := build(t, Spec{Line: "hello", Size: MinSize})
	for suffix, unpack := range map[string]string{".gz": "gzip", ".zst": "zstd", ".xz": "xz", ".bz2": "bzip2"} {
		packed, err := Pack(context.Background(), raw, suffix)
		if err != nil {
			t.Fatal(err)
		}
		out := tool(t, "sh", "-c", unpack+" -dc "+packed.File+" | sha256sum")
		if !strings.HasPrefix(out, raw.SHA256) || packed.Size >= raw.Size {
			t.Errorf("%s: %d bytes that unpack to %s; want %s", suffix, packed.Size, out, raw.SHA256)
		}
	}
}

func TestImpossibleImages(t *testing.T) {
	for name, spec := range map[string]Spec{
		"too small":     {Size: MinSize - mebi},
		"not whole MiB": {Size: MinSize + 1},
		"line too long": {Size: MinSize, Line: strings.Repeat("x", 201)},
	} {
		if _, err := Build(context.Background(), filepath.Join(t.TempDir(), "x"), spec); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
