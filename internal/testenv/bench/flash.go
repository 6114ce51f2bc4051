package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// flashFormats are how the image is published, and what makes it (into $out, from $raw) and undoes it in
// a pipe; a qcow2 cannot be undone in one.
var flashFormats = []struct{ name, suffix, make, decoder string }{
	{"zst, frames of 4 MiB", ".frames.zst", `"$self" alone frames "$raw" "$out"`, "zstd -dc"},
	{"zst, one frame", ".zst", `zstd -q -T0 -3 -f -o "$out" "$raw"`, "zstd -dc"},
	{"gz", ".gz", `(pigz -c "$raw" || gzip -c "$raw") >"$out"`, "gzip -dc"},
	{"raw", "", ":", "cat"},
	{"qcow2", ".qcow2", `qemu-img convert -f raw -O qcow2 "$raw" "$out"`, ""},
	{"qcow2, compressed", ".z.qcow2", `qemu-img convert -c -f raw -O qcow2 "$raw" "$out"`, ""},
	{"xz", ".xz", `xz -T0 -1 -c "$raw" >"$out"`, "xz -dc"},
	{"bz2", ".bz2", `bzip2 -c "$raw" >"$out"`, "bzip2 -dc"},
}

// flashLab is where flashes are measured: a disk, an origin and this program.
type flashLab struct {
	ctx             context.Context
	dir, bty, self  string
	raw, file, disk string // image, the disk's backing file, the disk
	url             string
	origin          int
}

// flashing compares a flash with its own stages, each alone, with the shell pipeline that does the same work,
// and, from a file and without a digest, with other tools. Image and disk are in memory, so that the
// work is compared and not one machine's storage; BTY_BENCH_DIR names another folder,
// BTY_BENCH_FORMATS (suffixes with commas between them) what to leave out, BTY_BENCH_ROUNDS how often.
func flashing(ctx context.Context, build string, _ time.Duration) error {
	l, done, err := newFlashLab(ctx, build)
	if err != nil {
		return err
	}
	defer done()
	fmt.Printf("\n## a flash of %d MiB beside its stages, each alone, and beside the shell pipeline\n\n", flashSize>>20)
	fmt.Println("Seconds (processor seconds, the origin's and the kernel's workers' with them).")
	fmt.Println("\n| format | receive | digest | decode | write | slowest, or half of the sum of processor time | flash | ratio | pipeline | ratio | peak MiB | limited by |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, f := range flashFormats {
		if only := os.Getenv("BTY_BENCH_FORMATS"); only != "" && !slices.Contains(strings.Split(only, ","), f.suffix) {
			continue
		}
		if err := l.format(f.name, f.suffix, f.make, f.decoder); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return l.besideTools()
}

func flashRounds() int {
	n := 3
	fmt.Sscan(os.Getenv("BTY_BENCH_ROUNDS"), &n)
	return max(n, 1)
}

func (l *flashLab) format(name, suffix, make, decoder string) error {
	out := l.raw + suffix
	if suffix != "" {
		if err := l.shell(fmt.Sprintf("self=%q raw=%q out=%q; %s", l.self, l.raw, out, make)); err != nil {
			return err
		}
		defer os.Remove(out)
	}
	var rounds []flashRound
	for range flashRounds() {
		r, err := l.round(out, decoder)
		if err != nil {
			return err
		}
		rounds = append(rounds, r)
	}
	slices.SortFunc(rounds, func(a, b flashRound) int { return int(1e6 * (a.ratio() - b.ratio())) })
	m := rounds[len(rounds)/2]
	fmt.Printf("| %s | %v | %v | %v | %v | %.2f | %v | **%.2f** | %v | **%.2f** | %.0f | %s |\n", name, m.receive, m.digest, m.decode, m.write,
		m.bound(), m.flash, m.ratio(), m.pipeline, m.flash.wall/m.pipeline.wall, m.flash.peak, m.limit)
	return nil
}

// flashRound is all that is compared, measured one after the other.
type flashRound struct {
	receive, digest, decode, write, flash, pipeline cost
	limit                                           string
}

func (c cost) String() string { return fmt.Sprintf("%.2f (%.2f)", c.wall, c.cpu) }

// bound is what no flash can be faster than on two cores.
func (r flashRound) bound() float64 {
	sum := r.receive.cpu + r.digest.cpu + r.decode.cpu + r.write.cpu
	return max(r.receive.wall, r.digest.wall, r.decode.wall, r.write.wall, sum/2)
}

func (r flashRound) ratio() float64 { return r.flash.wall / r.bound() }

func (l *flashLab) round(image, decoder string) (r flashRound, err error) {
	url := l.url + "/" + filepath.Base(image)
	sum, err := l.sum(image)
	if err != nil {
		return r, err
	}
	flash := []string{l.bty, "flash", "--image", url, "--disk", l.disk, "--sha256", sum, "--yes", "--json"}
	pipeline := fmt.Sprintf("set -o pipefail; curl -fsS %s | tee >(sha256sum >%s/sum) | %s | dd of=%s iflag=fullblock bs=4M oflag=direct conv=fsync status=none",
		url, l.dir, decoder, l.disk)
	if decoder == "" {
		pipeline = fmt.Sprintf("set -o pipefail; curl -fsS %s | tee %s/copy | sha256sum >%[2]s/sum && qemu-img convert -n -O raw -t none %[2]s/copy %s && rm %[2]s/copy", url, l.dir, l.disk)
	}
	for _, step := range []struct {
		into *cost
		argv []string
	}{
		{&r.receive, []string{l.self, aloneArg, "receive", url, ""}},
		{&r.digest, []string{l.self, aloneArg, "digest", image, ""}},
		{&r.decode, []string{l.self, aloneArg, "decode", image, ""}},
		{&r.write, []string{l.self, aloneArg, "write", l.raw, l.disk}},
		{&r.flash, flash},
		{&r.pipeline, []string{"bash", "-c", pipeline}},
	} {
		if err := l.blank(); err != nil {
			return r, err
		}
		price := priced
		if step.argv[0] == l.self {
			price = pricedAlone
		}
		if *step.into, err = price(l.ctx, l.origin, step.argv...); err != nil {
			return r, err
		}
		if step.into == &r.flash {
			r.limit = limitOf(r.flash.out)
			if err := l.shell(fmt.Sprintf("cmp %q %q", l.raw, l.disk)); err != nil {
				return r, err
			}
		}
	}
	return r, nil
}

func limitOf(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var result struct{ Bottleneck string }
	if json.Unmarshal([]byte(lines[len(lines)-1]), &result) != nil {
		return "?"
	}
	return result.Bottleneck
}

// besideTools compares a flash of a local file without a digest.
func (l *flashLab) besideTools() error {
	fmt.Printf("\n### raw, a local file, no digest\n\n| program | seconds (processor seconds) | of it bty takes |\n|---|---|---|\n")
	programs := []struct {
		name string
		argv []string
	}{
		{"bty flash --no-digest", []string{l.bty, "flash", "--image", l.raw, "--disk", l.disk, "--no-digest", "--yes", "--json"}},
		{"bmaptool copy, with a map", []string{"bmaptool", "-q", "copy", "--bmap", l.raw + ".bmap", l.raw, l.disk}},
		{"bmaptool copy, without", []string{"bmaptool", "-q", "copy", "--nobmap", l.raw, l.disk}},
		{"qemu-img convert", []string{"qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", "-t", "none", l.raw, l.disk}},
		{"qemu-img convert, 16 out of order", []string{"qemu-img", "convert", "-n", "-W", "-m", "16", "-f", "raw", "-O", "raw", "-t", "none", l.raw, l.disk}},
	}
	if err := l.shell(fmt.Sprintf("bmaptool -q create -o %q %q", l.raw+".bmap", l.raw)); err != nil {
		return err
	}
	costs := make([][]cost, len(programs))
	for range flashRounds() {
		for i, p := range programs {
			if err := l.blank(); err != nil {
				return err
			}
			c, err := priced(l.ctx, 0, p.argv...)
			if err != nil {
				return err
			}
			costs[i] = append(costs[i], c)
		}
	}
	for i, p := range programs {
		var ratios []float64
		for round := range costs[i] {
			ratios = append(ratios, costs[0][round].wall/costs[i][round].wall)
		}
		slices.Sort(ratios)
		slices.SortFunc(costs[i], func(a, b cost) int { return int(1e6 * (a.wall - b.wall)) })
		fmt.Printf("| %s | %v | %.2f |\n", p.name, costs[i][len(costs[i])/2], ratios[len(ratios)/2])
	}
	return nil
}

func (l *flashLab) sum(image string) (string, error) {
	out, err := exec.CommandContext(l.ctx, "sha256sum", image).Output()
	if err != nil {
		return "", err
	}
	return strings.Fields(string(out))[0], nil
}

func (l *flashLab) shell(script string) error {
	out, err := exec.CommandContext(l.ctx, "bash", "-c", script).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s (make setup-bench installs what it needs)", script, err, out)
	}
	return nil
}

// blank makes the disk a new one, alike for each run: zeros, for which its file has all pages. A disk does not
// first have to be looked for when it is written to, as a page of memory has.
func (l *flashLab) blank() error {
	f, err := os.OpenFile(l.file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	zeros := make([]byte, 4<<20)
	for off := int64(0); off < flashSize; off += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros, off); err != nil {
			return err
		}
	}
	return nil
}
