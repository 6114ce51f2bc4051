package config

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// asNobody runs fn on a thread without the power over all files that root has.
func asNobody(t *testing.T, fn func()) {
	t.Helper()
	if os.Getuid() != 0 {
		fn()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		var none [2]unix.CapUserData
		if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
			t.Error(err)
			return
		}
		// access(2) asks for the real user; as root without capabilities it asks the mode bits.
		fn()
	}()
	<-done
}

func TestChangeChoosesItsFile(t *testing.T) {
	for _, tt := range []struct {
		name      string
		files     map[string]string
		readOnly  []string
		vars      map[string]string
		config    []string // --config
		key, text string
		path      string // that was written, below root
		content   string
		obstacle  Obstacle
		says      string
	}{
		{name: "state folder, made", key: "server.port", text: "80", path: "state/bty.toml", content: "[server]\nport = 80\n"},
		{name: "what exists comes first", files: map[string]string{"etc/bty.toml": ""}, key: "server.port", text: "80", path: "etc/bty.toml", content: "[server]\nport = 80\n"},
		{name: "the strongest of what exists", files: map[string]string{"etc/bty.toml": "", "one.toml": ""}, vars: map[string]string{"BTY_CONFIG_FILE": "@/one.toml"},
			key: "server.port", text: "80", path: "one.toml", content: "[server]\nport = 80\n"},
		{name: "not a read-only one", files: map[string]string{"etc/bty.toml": "[server]\nport = 1\n"}, readOnly: []string{"etc/bty.toml"},
			key: "server.port", text: "80", path: "state/bty.toml", content: "[server]\nport = 80\n"},
		{name: "not one that another overrides", files: map[string]string{"etc/bty.toml": "", "dir/a.toml": "[server]\nport = 1 # a\n"}, vars: map[string]string{"BTY_CONFIG_DIR": "@/dir"},
			key: "server.port", text: "80", path: "dir/a.toml", content: "[server]\nport = 80 # a\n"},
		{name: "never into a folder's file that does not set it", files: map[string]string{"dir/a.toml": "[server]\nhost = 'h'\n"}, vars: map[string]string{"BTY_CONFIG_DIR": "@/dir"},
			key: "server.port", text: "80", path: "state/bty.toml", content: "[server]\nport = 80\n"},
		{name: "over a drop-in", files: map[string]string{"etc/conf.d/a.toml": "[server]\nport = 1\n", "etc/bty.toml": "# mine\n"},
			key: "server.port", text: "80", path: "etc/bty.toml", content: "# mine\n\n[server]\nport = 80\n"},
		{name: "--config alone", files: map[string]string{"etc/bty.toml": "", "a.toml": "", "b.toml": ""}, config: []string{"@/a.toml", "@/b.toml"},
			key: "server.port", text: "80", path: "b.toml", content: "[server]\nport = 80\n"},
		{name: "--config that does not exist", config: []string{"@/a.toml"}, key: "server.port", text: "80", path: "a.toml", content: "[server]\nport = 80\n"},
		{name: "removed where it is set", files: map[string]string{"etc/conf.d/a.toml": "[server]\nport = 1\n", "etc/bty.toml": "[server]\nport = 2\n"},
			key: "server.port", text: "", path: "etc/bty.toml", content: "[server]\n"},
		{name: "removed from a drop-in", files: map[string]string{"etc/conf.d/a.toml": "[server]\nport = 1\n", "etc/bty.toml": ""},
			key: "server.port", text: "", path: "etc/conf.d/a.toml", content: "[server]\n"},
		{name: "nothing to remove", key: "server.port", text: "", path: ""},
		{name: "no removal from a read-only file", files: map[string]string{"etc/bty.toml": "\n[server]\nport = 1\n"}, readOnly: []string{"etc/bty.toml"},
			key: "server.port", text: "", obstacle: NoWritableFile, says: "server.port is set at @/etc/bty.toml:3, which bty-web may not write; remove it there"},
		{name: "nothing writable", files: map[string]string{"state/x": "", "etc/bty.toml": ""}, readOnly: []string{"state", "etc", "etc/bty.toml"},
			key: "server.port", text: "80", obstacle: NoWritableFile, says: "may write none of its configuration files"},
		{name: "set where nothing stronger is writable", files: map[string]string{"dir/a.toml": "server.port = 1\n", "etc/bty.toml": "", "state/x": ""}, vars: map[string]string{"BTY_CONFIG_DIR": "@/dir"},
			readOnly: []string{"dir/a.toml", "state"}, key: "server.port", text: "80", obstacle: NoWritableFile, says: "set at @/dir/a.toml:1"},
		{name: "variable", vars: map[string]string{"BTY_SERVER_PORT": "1"}, key: "server.port", text: "80", obstacle: Overridden, says: "variable BTY_SERVER_PORT"},
		{name: "credential", files: map[string]string{"creds/bty.admin-password": "x"}, vars: map[string]string{"CREDENTIALS_DIRECTORY": "@/creds"}, key: "admin.password", text: "y",
			obstacle: Overridden, says: "credential bty.admin-password"},
		{name: "unknown section", key: "sever.port", text: "1", obstacle: UnknownSection, says: "[sever]"},
		{name: "unknown key", key: "server.prot", text: "1", obstacle: UnknownKey, says: "server.prot"},
		{name: "out of range", key: "server.port", text: "0", obstacle: InvalidValue, says: "server.port must be a whole number from 1 to 65535"},
		{name: "no clamping of what is typed", key: "tuning.backup_max_parallel", text: "0", obstacle: InvalidValue, says: "from 1 to 64"},
		{name: "not a number", key: "server.port", text: "80a", obstacle: InvalidValue, says: "server.port must be a whole number"},
		{name: "not of the set", key: "log.format", text: "xml", obstacle: InvalidValue, says: "one of"},
		{name: "display text", key: "server.trusted_proxy", text: "(off)", obstacle: InvalidValue, says: "address of the reverse proxy"},
		{name: "not a URL", key: "withcache.url", text: "(unset)", obstacle: InvalidValue, says: "http://"},
		{name: "not text", key: "server.host", text: "\xff", obstacle: WriteFailed, says: "UTF-8"},
		{name: "a file that does not load", files: map[string]string{"etc/bty.toml": "[server\n"}, key: "server.port", text: "80", obstacle: WriteFailed, says: "@/etc/bty.toml:1:8"},
		{name: "a file in the way", files: map[string]string{"etc/bty.toml": "[[server]]\nx = 1\n"}, key: "server.port", text: "80", obstacle: WriteFailed, says: "form that cannot be edited"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := tree(t, tt.files)
			for _, dir := range []string{"etc", "state"} {
				if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for _, path := range tt.readOnly {
				if err := os.Chmod(filepath.Join(root, path), 0o555); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = os.Chmod(filepath.Join(root, path), 0o755) })
			}
			vars := map[string]string{"BTY_PATHS_STATE_DIR": "@/state"}
			for k, v := range tt.vars {
				vars[k] = v
			}
			src := Source{Etc: root + "/etc", Getenv: env(root, vars)}
			for _, path := range tt.config {
				src.Paths = append(src.Paths, strings.ReplaceAll(path, "@", root))
			}
			before := snapshot(t, root)
			section, name, _ := strings.Cut(tt.key, ".")
			asNobody(t, func() {
				edit, err := Change(src, section, name, tt.text)
				if refused, ok := errors.AsType[*EditError](err); ok {
					if says := strings.ReplaceAll(tt.says, "@", root); refused.Obstacle != tt.obstacle || !strings.Contains(err.Error(), says) {
						t.Errorf("%s: %v, want %s: %s", refused.Obstacle, err, tt.obstacle, says)
					}
					if after := snapshot(t, root); after != before {
						t.Errorf("a refused edit changed files:\n%s\nthen\n%s", before, after)
					}
					return
				}
				if err != nil || tt.obstacle != "" {
					t.Errorf("%v, want %s", err, tt.obstacle)
					return
				}
				if tt.path == "" {
					if edit.Path != "" {
						t.Errorf("wrote %s", edit.Path)
					}
					return
				}
				written, err := os.ReadFile(filepath.Join(root, tt.path))
				if err != nil || string(written) != tt.content || edit.Path != filepath.Join(root, tt.path) {
					t.Errorf("%s: %q %v, want %q in %s", edit.Path, written, err, tt.content, tt.path)
				}
				if info, err := os.Stat(edit.Path); err != nil || info.Mode().Perm() != 0o640 {
					t.Errorf("mode %v %v", info.Mode(), err)
				}
				now, _, err := Load(src)
				if k, _ := Find(tt.key); err != nil || tt.text != "" && k.Value(now) != tt.text {
					t.Errorf("in force after all: %q %v", k.Value(now), err)
				}
			})
		})
	}
}

// snapshot is every file below root with its content.
func snapshot(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	_ = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			content, _ := os.ReadFile(path)
			b.WriteString(path + ": " + string(content) + "\n")
		}
		return nil
	})
	return b.String()
}

// A file that is mounted into a container cannot be replaced, and is written in place.
func TestBindMountedFile(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("needs root to mount; run the tests as root")
	}
	root := tree(t, map[string]string{"host.toml": "# from the host\n[server]\nport = 1\nhost = 'a longer line that goes'\n", "etc/bty.toml": ""})
	mounted := filepath.Join(root, "etc/bty.toml")
	if err := unix.Mount(filepath.Join(root, "host.toml"), mounted, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mounted, 0); err != nil {
			t.Error(err)
		}
	})
	src := Source{Etc: root + "/etc", Getenv: env(root, map[string]string{"BTY_PATHS_STATE_DIR": "@/state"})}
	for _, step := range []struct{ name, text, want string }{
		{"port", "8081", "# from the host\n[server]\nport = 8081\nhost = 'a longer line that goes'\n"},
		{"host", "", "# from the host\n[server]\nport = 8081\n"},
	} {
		edit, err := Change(src, "server", step.name, step.text)
		if err != nil || edit.Path != mounted {
			t.Fatal(edit, err)
		}
		for _, path := range []string{mounted, filepath.Join(root, "host.toml")} {
			if got, err := os.ReadFile(path); err != nil || string(got) != step.want {
				t.Errorf("%s: %q %v", path, got, err)
			}
		}
	}
	if left, _ := filepath.Glob(root + "/etc/.*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestSymlinkStaysOne(t *testing.T) {
	root := tree(t, map[string]string{"real/my.toml": "# mine\n", "etc/x": ""})
	if err := os.Symlink("../real/my.toml", root+"/etc/bty.toml"); err != nil {
		t.Fatal(err)
	}
	src := Source{Etc: root + "/etc", Getenv: env(root, map[string]string{"BTY_PATHS_STATE_DIR": "@/none"})}
	if _, err := Change(src, "log", "format", "json"); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(root + "/etc/bty.toml"); err != nil || to != "../real/my.toml" {
		t.Errorf("%s %v", to, err)
	}
	if got, _ := os.ReadFile(root + "/real/my.toml"); !strings.Contains(string(got), "# mine") || !strings.Contains(string(got), `format = "json"`) {
		t.Errorf("%s", got)
	}
}

// A full disk leaves the file as it was.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("needs root to mount; run the tests as root")
	}
	root := t.TempDir()
	if err := unix.Mount("none", root, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(root, 0) })
	doc := "[server]\nport = 1\n"
	if err := os.WriteFile(root+"/bty.toml", []byte(doc), 0o640); err != nil {
		t.Fatal(err)
	}
	_ = os.WriteFile(root+"/filler", make([]byte, 64<<10), 0o600) // as far as it goes
	_, err := Change(Source{Paths: []string{root + "/bty.toml"}, Getenv: env("", nil)}, "server", "port", "2")
	refused, ok := errors.AsType[*EditError](err)
	if !ok || refused.Obstacle != WriteFailed || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("%v", err)
	}
	if got, err := os.ReadFile(root + "/bty.toml"); string(got) != doc {
		t.Errorf("%q %v", got, err)
	}
	if left, _ := filepath.Glob(root + "/.*new*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
