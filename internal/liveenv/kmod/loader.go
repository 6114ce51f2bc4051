package kmod

import (
	"errors"
	"fmt"
	"sync"
)

// Params are what the kernel's command line says about modules.
type Params struct {
	Blacklist map[string]bool   // modprobe.blacklist=: not loaded for a device
	Options   map[string]string // module -> "param=value param=value"
}

// Insert puts one module into the kernel. Loading a module that is there already is no error.
type Insert func(path, options string) error

// Loader loads modules with what they depend on, each once.
type Loader struct {
	index  *Index
	params Params
	insert Insert

	mu   sync.Mutex
	done map[string]*insertion
}

// insertion is one attempt; ready is closed when err is set.
type insertion struct {
	ready chan struct{}
	err   error
}

// NewLoader returns a Loader that has loaded nothing.
func NewLoader(index *Index, params Params, insert Insert) *Loader {
	return &Loader{index: index, params: params, insert: insert, done: map[string]*insertion{}}
}

// Match returns the modules that drive a device and are not blacklisted.
func (l *Loader) Match(modalias string) []string {
	var allowed []string
	for _, name := range l.index.Match(modalias) {
		if !l.params.Blacklist[name] {
			allowed = append(allowed, name)
		}
	}
	return allowed
}

// Has says whether there is a module of that name.
func (l *Loader) Has(name string) bool {
	_, ok := l.index.Module(name)
	return ok
}

// Load loads a module after its dependencies. extra is added to its own options.
func (l *Loader) Load(name, extra string) error {
	var failed error
	for _, step := range l.order(name) {
		options := l.params.Options[step.Name]
		if step.Name == Normalise(name) && extra != "" {
			options = join(options, extra)
		}
		err := l.once(step.Module, options)
		if err != nil && !step.optional {
			failed = errors.Join(failed, fmt.Errorf("load module %s: %w", step.Name, err))
		}
	}
	return failed
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + " " + b
}

// once inserts a module unless somebody did or does; then it waits for their result. Nothing
// is held while waiting, so cyclic dependencies in bad data cannot lock two callers up.
func (l *Loader) once(m Module, options string) error {
	l.mu.Lock()
	in, known := l.done[m.Name]
	if !known {
		in = &insertion{ready: make(chan struct{})}
		l.done[m.Name] = in
	}
	l.mu.Unlock()
	if !known {
		in.err = l.insert(m.Path, options)
		close(in.ready)
	}
	<-in.ready
	return in.err
}

type step struct {
	Module
	optional bool
}

// order lists a module and all that it needs in the order of loading. A module that the index
// does not have is built in, or was left out by the builder; its absence shows in the error
// of the module that needs it.
func (l *Loader) order(name string) []step {
	var steps []step
	seen := map[string]bool{}
	var visit func(name string, optional bool)
	visit = func(name string, optional bool) {
		m, ok := l.index.Module(name)
		if !ok || seen[m.Name] {
			return
		}
		seen[m.Name] = true
		for _, d := range m.Pre {
			visit(d, true)
		}
		for _, d := range m.Deps {
			visit(d, optional)
		}
		steps = append(steps, step{m, optional})
		for _, d := range m.Post {
			visit(d, true)
		}
	}
	visit(name, false)
	return steps
}
