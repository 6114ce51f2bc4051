package config

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bty/internal/owner"
)

// DefaultStateDir is where the database lives unless somebody says otherwise.
const DefaultStateDir = "/var/lib/bty"

// DefaultRunDir is the folder of the control and report sockets.
const DefaultRunDir = "/run/bty"

// DefaultCacheDir is where bty-cache keeps images.
const DefaultCacheDir = "/var/cache/bty"

// Doubtful is the log's line for a warning.
const Doubtful = "something in the configuration has no effect"

// Source says where a configuration is read from.
type Source struct {
	Paths  []string            // of --config: files and folders; if any is given, no other file is read
	Getenv func(string) string // os.Getenv
	Etc    string              // "" is /etc/bty

	// Partial leaves out files that this user may not read: for who asks the server, and needs to
	// know only where it is.
	Partial bool
}

// Load reads the configuration. The warnings are for the log: keys that nobody knows, files that
// were named but are not there. An error is an *Error.
func Load(src Source) (*Config, []string, error) {
	l := &loader{src: src, keys: Keys(), cfg: &Config{origins: make(map[string]Origin), source: src}}
	if err := l.load(); err != nil {
		return nil, l.warnings, err
	}
	return l.cfg, l.warnings, nil
}

// Files returns the TOML files that Load reads, the strongest last, and the places named by the
// caller that do not exist.
func (src Source) Files() (files, missing []string, err error) {
	for _, p := range src.candidates() {
		found, err := expand(p.path)
		if errors.Is(err, fs.ErrNotExist) {
			if p.named {
				missing = append(missing, p.path)
			}
			continue
		}
		if src.Partial && errors.Is(err, fs.ErrPermission) {
			continue
		}
		if err != nil {
			return nil, nil, &Error{p.path, unreadable(p.path, err, "correct its permissions")}
		}
		files = append(files, found...)
	}
	return files, missing, nil
}

type candidate struct {
	path   string
	named  bool // by the operator: worth a warning if missing
	folder bool // it is one if it exists
}

// candidates lists files and folders, the strongest last.
func (src Source) candidates() []candidate {
	if len(src.Paths) > 0 {
		var named []candidate
		for _, p := range src.Paths {
			named = append(named, candidate{path: p, named: true})
		}
		return named
	}
	etc := src.Etc
	if etc == "" {
		etc = "/etc/bty"
	}
	list := []candidate{{path: filepath.Join(etc, "conf.d"), folder: true}, {path: filepath.Join(etc, "bty.toml")}}
	for _, v := range []string{"BTY_CONFIG_DIR", "BTY_CONFIG_FILE"} {
		if p := src.Getenv(v); p != "" {
			list = append(list, candidate{path: p, named: true, folder: v == "BTY_CONFIG_DIR"})
		}
	}
	return append(list, candidate{path: filepath.Join(src.stateDir(), "bty.toml")})
}

// stateDir is the state folder before any file is read.
func (src Source) stateDir() string {
	if dir := src.Getenv("BTY_PATHS_STATE_DIR"); dir != "" {
		return dir
	}
	// systemd gives a list when a unit has several; ours have one.
	if dir, _, _ := strings.Cut(src.Getenv("STATE_DIRECTORY"), ":"); dir != "" {
		return dir
	}
	return DefaultStateDir
}

// expand returns path, or the *.toml in it by name if it is a folder.
func expand(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, err
	}
	entries, err := os.ReadDir(path) // sorted by name
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".toml") && !e.IsDir() {
			files = append(files, filepath.Join(path, name))
		}
	}
	return files, nil
}

type loader struct {
	src      Source
	keys     []Key
	cfg      *Config
	warnings []string
}

func (l *loader) load() error {
	if err := l.defaults(); err != nil {
		return err
	}
	files, missing, err := l.src.Files()
	if err != nil {
		return err
	}
	for _, p := range missing {
		l.warn("%s does not exist; its settings are not in force", p)
	}
	for _, path := range files {
		if err := l.file(path); err != nil {
			return err
		}
	}
	if err := l.credentials(); err != nil {
		return err
	}
	if err := l.environment(); err != nil {
		return err
	}
	l.derive()
	return nil
}

func (l *loader) warn(format string, args ...any) {
	l.warnings = append(l.warnings, fmt.Sprintf(format, args...))
}

func (l *loader) defaults() error {
	for _, k := range l.keys {
		if err := k.setDefault(l.cfg); err != nil {
			return &Error{"default", err.Error()} // a mistake in Keys, found by its test
		}
	}
	l.cfg.Seed.RambootOverlaySize = "10G"
	if dir := l.src.stateDir(); dir != DefaultStateDir && l.src.Getenv("BTY_PATHS_STATE_DIR") == "" {
		l.cfg.Paths.StateDir = dir
		l.cfg.origins["paths.state_dir"] = Origin{Variable: "STATE_DIRECTORY"}
	}
	return nil
}

// unreadable says why a file cannot be read, and what to do unless the reason says it.
func unreadable(path string, err error, advice string) string {
	bare := unwrapPath(err)
	if explained := owner.Explain(path, bare); explained != bare {
		return fmt.Sprintf("cannot be read (%v)", explained)
	}
	return fmt.Sprintf("cannot be read (%v); %s", bare, advice)
}

// maxFile bounds what is read of one file.
const maxFile = 1 << 20

func (l *loader) file(path string) error {
	doc, err := readBounded(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it went away since it was listed
	}
	if l.src.Partial && errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return &Error{path, unreadable(path, err, "correct it or move it away")}
	}
	tables, err := parse(path, doc)
	if err != nil {
		return err
	}
	for _, t := range tables {
		i := slices.IndexFunc(l.keys, func(k Key) bool { return k.String() == t.key })
		if i < 0 {
			l.warn("%s: %s is not a known setting and is ignored%s", t.origin, t.key, replaced(t.key, l.keys))
			continue
		}
		if isLeftover(l.keys[i], t.value) {
			l.warn("%s: %s is what a page of the previous bty shows for a value that is not set, and counts as not set; delete the line", t.origin, t.key)
			continue
		}
		if err := l.keys[i].set(l.cfg, t.value, false); err != nil {
			return &Error{t.origin.String(), err.Error()}
		}
		l.cfg.origins[t.key] = t.origin
	}
	return nil
}

// credentials takes what LoadCredential= put beside the process. A password belongs there: a
// variable shows in the unit and in the environment of every child.
func (l *loader) credentials() error {
	dir := l.src.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return nil
	}
	for _, k := range l.keys {
		if k.Cred == "" {
			continue
		}
		v, ok := l.credential(dir, k)
		if !ok {
			continue
		}
		where := Origin{Cred: k.Cred}
		if err := k.set(l.cfg, v, true); err != nil {
			return &Error{where.String(), err.Error()}
		}
		l.cfg.origins[k.String()] = where
	}
	return nil
}

// credential is what is in a key's credential. An empty one counts as none. Behind one that cannot be
// read somebody has put a secret: no weaker layer, and no default, may stand in its place, so a value
// does that nobody knows. Machines are served in the meantime.
func (l *loader) credential(dir string, k Key) (value string, ok bool) {
	b, err := readBounded(filepath.Join(dir, k.Cred))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false
	}
	if err != nil {
		l.warn("credential %[1]s cannot be read (%[2]v), so no value of %[3]s is right; write it to %[4]s and restart the service",
			k.Cred, unwrapPath(err), k, keptAt(dir, k.Cred))
		return rand.Text(), true
	}
	value = strings.TrimRight(string(b), "\r\n")
	if value == "" {
		l.warn("credential %[1]s is empty, so it counts as not set; write %[2]s to %[3]s and restart the service", k.Cred, k, keptAt(dir, k.Cred))
	}
	return value, value != ""
}

// containerSecrets is where Podman mounts secrets.
const containerSecrets = "/run/secrets"

// keptAt is where a person writes what the process finds as a credential.
func keptAt(dir, name string) string {
	if filepath.Clean(dir) == containerSecrets {
		return "the Podman secret that is mounted at " + filepath.Join(dir, name) + " (podman secret create --replace)"
	}
	return "/etc/credstore/" + name + " (root, mode 0600)"
}

func (l *loader) environment() error {
	for _, k := range l.keys {
		v := l.src.Getenv(k.Env())
		if v == "" {
			continue // an empty variable does not override
		}
		where := Origin{Variable: k.Env()}
		if err := k.set(l.cfg, v, true); err != nil {
			return &Error{where.String(), err.Error()}
		}
		l.cfg.origins[k.String()] = where
	}
	for name, p := range seedVars(l.cfg) {
		if v := l.src.Getenv(name); v != "" {
			*p = v
		}
	}
	return nil
}

// derive fills in the paths that hang on the state folder.
func (l *loader) derive() {
	p := &l.cfg.Paths
	l.legacyCatalog()
	l.registryCredentials()
	for _, d := range []struct {
		path *string
		name string
	}{{&p.BootDir, "boot"}, {&p.BackupDir, "backups"}, {&p.CatalogFile, "catalog.toml"}} {
		if *d.path == "" {
			*d.path = filepath.Join(p.StateDir, d.name)
		}
	}
}

// legacyCatalog honours the names that the previous system still looks at first.
func (l *loader) legacyCatalog() {
	path, from := l.src.Getenv("BTY_CATALOG_FILE"), "BTY_CATALOG_FILE"
	if path == "" {
		dir := l.src.Getenv("BTY_STATE_DIR")
		if dir == "" {
			return // the default's catalog.toml is the ordinary one
		}
		path, from = filepath.Join(dir, "catalog.toml"), "BTY_STATE_DIR"
		if _, err := os.Stat(path); err != nil {
			return
		}
	}
	l.cfg.Paths.CatalogFile = path
	l.cfg.origins["paths.catalog_file"] = Origin{Variable: from}
}

// credentialORAS is the credential that is a file as oras.credentials_file names one.
const credentialORAS = "bty.oras-credentials"

// registryCredentials takes the file that LoadCredential= put there, if none is named.
func (l *loader) registryCredentials() {
	dir := l.src.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" || l.cfg.ORAS.CredentialsFile != "" {
		return
	}
	path := filepath.Join(dir, credentialORAS)
	if _, err := os.Stat(path); err == nil {
		l.cfg.ORAS.CredentialsFile = path
		l.cfg.origins["oras.credentials_file"] = Origin{Cred: credentialORAS}
	}
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		return nil, fmt.Errorf("larger than %d bytes", maxFile)
	}
	return b, err
}

// unwrapPath drops the path from err; the message around it has it already.
func unwrapPath(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
