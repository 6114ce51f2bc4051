package builder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"bty/internal/liveenv/kmod"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"
)

// packed is one module, ready to go into the initramfs.
type packed struct {
	info modinfo
	size int    // of the ELF image
	data []byte // compressed
}

// set is the closed selection: with each module all that it depends on.
type set struct {
	version string // from vermagic
	modules map[string]packed
	missing []string
}

// selectModules reads the wanted modules, then what those need, until nothing new comes up.
func selectModules(ctx context.Context, t tree, arch Arch) (*set, error) {
	s := &set{modules: map[string]packed{}}
	var queue []string
	for name, file := range t.files {
		if selects(file, arch) {
			queue = append(queue, name)
		}
	}
	if len(queue) == 0 {
		return nil, fmt.Errorf("%s: no driver for a network card or a disk", t.dir)
	}
	for len(queue) > 0 {
		if err := s.read(ctx, t, queue); err != nil {
			return nil, err
		}
		queue = s.needed(t)
	}
	return s, nil
}

// read unpacks, inspects and compresses modules, on all processors.
func (s *set) read(ctx context.Context, t tree, names []string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	for _, name := range names {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			p, err := pack(t, name)
			mu.Lock()
			s.modules[name] = p
			mu.Unlock()
			return err
		})
	}
	return g.Wait()
}

// pack compresses a module by itself: the kernel then copies it at boot, and init unpacks the
// few that the machine's devices ask for. Unpacking all of them takes seconds on a slow machine.
func pack(t tree, name string) (packed, error) {
	image, err := t.image(name)
	if err != nil {
		return packed{}, err
	}
	info, err := readModinfo(image)
	if err != nil {
		return packed{}, fmt.Errorf("module %s: %w", t.files[name], err)
	}
	data, err := compress(image)
	return packed{info: info, size: len(image), data: data}, err
}

func compress(image []byte) ([]byte, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, err
	}
	defer enc.Close()
	return enc.EncodeAll(image, nil), nil
}

// needed lists what the selection depends on and lacks. Hard dependencies that exist nowhere
// are remembered: the kernel will refuse the module, and the report says why.
func (s *set) needed(t tree) []string {
	more := map[string]bool{}
	missing := map[string]bool{}
	for _, m := range s.modules {
		for _, dep := range slices.Concat(m.info.depends, m.info.pre, m.info.post, m.info.weak) {
			if _, have := s.modules[dep]; !have && t.files[dep] != "" {
				more[dep] = true
			}
		}
		for _, dep := range m.info.depends {
			if t.files[dep] == "" && !t.builtin[dep] {
				missing[dep] = true
			}
		}
	}
	s.missing = slices.Sorted(maps.Keys(missing))
	return slices.Collect(maps.Keys(more))
}

// check refuses modules of another kernel or machine: they would load nowhere, and the first
// sign would be a machine without a network.
func (s *set) check(kernel string, arch Arch) error {
	for _, name := range slices.Sorted(maps.Keys(s.modules)) {
		info := s.modules[name].info
		version, _, _ := strings.Cut(info.vermagic, " ")
		if version == "" {
			return fmt.Errorf("module %s has no vermagic", name)
		}
		if s.version == "" {
			s.version = version
		}
		if version != s.version {
			return fmt.Errorf("modules of different kernels: %s is for %s, others are for %s", name, version, s.version)
		}
		if info.machine != arch.machine() {
			return fmt.Errorf("module %s is for %v; the live environment is for %s", name, info.machine, arch)
		}
	}
	if s.version == "" {
		return errors.New("no modules")
	}
	if kernel != "" && kernel != s.version {
		return fmt.Errorf("the kernel is %s, the modules are for %s; give both from one package", kernel, s.version)
	}
	return nil
}

// index is the selection as init searches it.
func (s *set) index() (modules []kmod.Module, aliases []kmod.Alias) {
	for name, m := range s.modules {
		modules = append(modules, kmod.Module{
			Name: name, Path: fileName(name), Deps: m.info.depends, Pre: m.info.pre, Post: m.info.post,
		})
		for _, a := range m.info.aliases {
			aliases = append(aliases, kmod.Alias{Pattern: a, Module: name})
		}
	}
	return modules, aliases
}

func fileName(module string) string { return module + ".ko.zst" }
