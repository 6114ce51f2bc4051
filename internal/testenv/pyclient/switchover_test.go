package pyclient

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bty/internal/catalog"
	"bty/internal/disk/looptest"
	"bty/internal/testenv/contract"
	"bty/internal/testenv/oldstate"
	"bty/internal/testenv/registry"
)

// site is the lab of somebody who moves over: release 0.62.1, a live environment of the site's own,
// images of a web server and of a registry, settings that were changed, and machines in every mode.
type site struct {
	*testing.T
	images   *images
	front    *registry.Front
	old      string // state folder there
	packed   []byte // the image with a digest, as it is published
	raw      []byte
	plain    []byte // the one without
	layer    []byte // that of the registry, as it is published
	layerRaw []byte
	src      map[string]string // sources by what they are called here
}

// versionThere is what the site runs, and what its boot files are called by.
const versionThere = "0.62.1"

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{T: t, images: newImages(t), old: t.TempDir(), raw: noise(3 * mib), plain: noise(2 * mib), layerRaw: noise(5 * mib)}
	real := registry.Start(t, false)
	s.front = real.Front()
	s.packed, s.layer = packed(t, s.raw, "img.gz"), packed(t, s.layerRaw, "img.gz")
	real.Push("lab/disk", "v1", registry.Layer{Type: layerType, Title: "disk.img.gz", Content: string(s.layer)})
	s.src = map[string]string{"http": s.images.put("/debian.img.gz", s.packed), "plain": s.images.put("/old/plain.img", s.plain),
		"named": s.images.put("/download", s.packed), "oras": "oras://" + s.front.Host + "/lab/disk:v1"}
	s.files()
	oldstate.Fill(t, filepath.Join(s.old, "state.db"), oldstate.V65, "UPDATE bty_version SET version = '"+versionThere+"'", s.catalog(), s.machines(), `
		INSERT INTO settings VALUES ('display.timezone', 'Europe/Copenhagen', ''), ('backup.enabled', '1', ''), ('backup.cadence', 'daily', ''), ('backup.retention_count', '3', ''),
			('upstream.netboot_repo', 'lab/bty', ''), ('upstream.catalog_url', 'https://images.example/catalog.toml', ''), ('nbdmux.url', 'http://192.0.2.9:4040', '');`)
	return s
}

// files are what lies beside the database.
func (s *site) files() {
	live := "bty-netboot-pc-x86_64-v" + versionThere
	for name, text := range map[string]string{
		"boot/" + live + ".vmlinuz": "our kernel", "boot/" + live + ".initrd": "our initrd", "boot/" + live + ".squashfs": "our squashfs", "boot/memtest.efi": "our memtest",
		"session-secret": "dGhlIHByZXZpb3VzIHNlY3JldCBvZiB0aGUgY29va2llcw",
		"bty.toml":       "[server]\ntrusted_proxy = \"(off)\"\n[netboot]\ntftp_probe_host = \"192.0.2.2\"\n[withcache]\nurl = \"(unset)\"\n[release]\n",
		"catalog.toml":   "version = 1\n",
	} {
		path := filepath.Join(s.old, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			s.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			s.Fatal(err)
		}
	}
}

func (s *site) ref(name string) string {
	ref, err := catalog.RefOf(s.src[name])
	if err != nil {
		s.Fatal(err)
	}
	return ref.String()
}

// catalog is its table there: two images have one name, one has no digest, one no suffix.
func (s *site) catalog() string {
	row := func(name, title, resolved, sha, format string, size int) string {
		return fmt.Sprintf("INSERT INTO catalog_entries VALUES ('%s', '%s', %s, %s, '%s', NULL, %s, %d, NULL, '2026-06-01T10:00:0%d+00:00');",
			s.ref(name), s.src[name], orNull(resolved), orNull(sha), title, orNull(format), size, len(title)%10)
	}
	return row("http", "debian.img.gz", s.src["http"], hexSum(s.packed), "img.gz", len(s.packed)) +
		row("plain", "plain.img", s.src["plain"], "", "img", len(s.plain)) +
		row("named", "debian.img.gz", s.src["named"], hexSum(s.packed), "img.gz", len(s.packed)) +
		row("oras", "disk.img.gz", "https://"+s.front.Host+"/v2/lab/disk/blobs/sha256:"+hexSum(s.layer), hexSum(s.layer), "img.gz", len(s.layer))
}

func orNull(text string) string {
	if text == "" {
		return "NULL"
	}
	return "'" + text + "'"
}

// mover is one machine: what is set there, and what the contract has it get.
type mover struct {
	mac, mode, image, serial string
	drive                    string
	started, flashed         bool
	script                   string         // starts, disk 0x.., or order: what iPXE does
	plan                     map[string]any // every key of it, without "mode"
	kind                     string         // its mode
	writes                   []byte         // how its disk begins in the end, nil if it is not written
}

// movers are the machines. Where this system mends the previous one, a remark says how.
func (s *site) movers() []mover {
	http := map[string]any{"image": s.src["http"], "name": "debian.img.gz", "disk_image_sha": hexSum(s.packed), "format": "img.gz"}
	named := map[string]any{"image": s.src["named"], "name": "debian.img.gz", "disk_image_sha": hexSum(s.packed), "format": "img.gz"}
	plain := map[string]any{"image": s.src["plain"], "name": "plain.img", "format": "img"}
	oras := map[string]any{"image": s.src["oras"], "name": "disk.img.gz", "disk_image_sha": hexSum(s.layer), "format": "img.gz"}
	catalog := map[string]any{"catalog": "/catalog.toml"}
	return []mover{
		{mac: "52:54:00:0a:00:01", mode: "ipxe-exit", script: "disk 0x80", kind: "exit"},
		{mac: "52:54:00:0a:00:02", mode: "ipxe-exit", image: "http", serial: "S2", drive: "0x81", script: "disk 0x81", kind: "exit"},
		{mac: "52:54:00:0a:00:03", mode: "bty-tui", script: "starts", kind: "interactive", plan: catalog},
		{mac: "52:54:00:0a:00:04", mode: "bty-inventory", script: "starts", kind: "inventory"},
		{mac: "52:54:00:0a:00:05", mode: "bty-flash-once", image: "http", serial: "S5", script: "starts", kind: "flash", plan: http, writes: s.raw},
		{mac: "52:54:00:0a:00:06", mode: "bty-flash-once", image: "http", serial: "S6", drive: "0x82", started: true, flashed: true, script: "disk 0x82", kind: "exit"}, // mended: the plan of a cycle that is complete was flash
		{mac: "52:54:00:0a:00:07", mode: "bty-flash-always", image: "oras", serial: "S7", started: true, script: "starts", kind: "flash", plan: oras, writes: s.layerRaw},
		{mac: "52:54:00:0a:00:08", mode: "bty-flash-always", image: "plain", serial: "S8", flashed: true, script: "starts", kind: "flash", plan: plain, writes: s.plain},
		{mac: "52:54:00:0a:00:09", mode: "bty-flash-once", image: "named", serial: "S9", script: "starts", kind: "flash", plan: named, writes: s.raw},
		{mac: "52:54:00:0a:00:0a", mode: "bty-flash-always", image: "http", script: "order " + s.ref("http")[:12], kind: "interactive", plan: catalog},
		{mac: "52:54:00:0a:00:0b", mode: "bty-flash-once", image: "gone", serial: "Sb", script: "order ffffffffffff", kind: "interactive", plan: catalog},
		{mac: "52:54:00:0a:00:0c", mode: "bty-flash-once", serial: "Sc", script: "disk 0x80", kind: "exit"},
		{mac: "52:54:00:0a:00:0d", mode: "ramboot", image: "http", script: "disk 0x80", kind: "exit"}, // no counterpart: there it ran from nbdmux, with the same plan
	}
}

// machines is their table there.
func (s *site) machines() string {
	var sql strings.Builder
	s.src["gone"] = ""
	for i, m := range s.movers() {
		ref, at := "", ""
		switch m.image {
		case "":
		case "gone":
			ref = strings.Repeat("f", 64)
		default:
			ref = s.ref(m.image)
		}
		if m.flashed {
			at = "2026-06-20T10:00:00+00:00"
		}
		started := map[bool]int{true: 1}[m.started]
		fmt.Fprintf(&sql, "INSERT INTO machines (mac, boot_mode, bty_image_ref, target_disk_serial, sanboot_drive, saw_flasher_boot, last_flashed_at, last_seen_ip, created_at, updated_at) VALUES ('%s', '%s', %s, %s, %s, %d, %s, '192.0.2.%d', '2026-06-01T11:00:00+00:00', '2026-06-01T11:00:00+00:00');",
			m.mac, m.mode, orNull(ref), orNull(m.serial), orNull(m.drive), started, orNull(at), 100+i)
		fmt.Fprintf(&sql, "INSERT INTO machine_labels VALUES ('%s', 'rack %d');", m.mac, i%3)
	}
	return sql.String()
}

// move starts bty-web over a new state, imports, and does by hand what the report says is to be done.
func (s *site) move(lab string) contract.Caller {
	s.Helper()
	state := s.TempDir()
	settings := []string{"SSL_CERT_FILE=" + s.front.CAs, "BTY_WITHCACHE_URL=", "BTY_CACHE_PORT=1"}
	instance, err := program.Start(state, settings...)
	if err != nil {
		s.Fatal(err)
	}
	cmd := exec.Command(lab, "import", s.old)
	cmd.Env = append(os.Environ(), "BTY_PATHS_STATE_DIR="+state, "BTY_PATHS_RUN_DIR="+filepath.Join(state, "run"))
	out, err := cmd.CombinedOutput()
	report := string(out)
	if err != nil || !strings.Contains(report, "of bty "+versionThere+": 23 imported, 1 changed\n") {
		s.Fatalf("the import: %v\n%s", err, report)
	}
	if want := "4 machines are flashed at the next network boot, as there: 52:54:00:0a:00:05 52:54:00:0a:00:07 52:54:00:0a:00:08 52:54:00:0a:00:09\n"; !strings.Contains(report, want) {
		s.Errorf("it does not say %q:\n%s", want, report)
	}
	if err := instance.Stop(); err != nil {
		s.Error(err)
	}
	commands := regexp.MustCompile(`(?m)(mkdir -p|cp -a) .*$`).FindAllString(report, -1)
	if len(commands) != 3 { // the server here has made a session-secret of its own
		s.Errorf("it shows %q:\n%s", commands, report)
	}
	for _, command := range commands {
		if out, err := exec.Command("sh", "-euc", command).CombinedOutput(); err != nil {
			s.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	set := regexp.MustCompile(`artifact_version = "(.*?)" in \[netboot\]`).FindStringSubmatch(report)
	if set == nil {
		s.Fatalf("it does not say how the live environment is served:\n%s", report)
	}
	if instance, err = program.Start(state, append(settings, "BTY_NETBOOT_ARTIFACT_VERSION="+set[1])...); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		if err := instance.Stop(); err != nil || s.Failed() {
			s.Errorf("%v; bty-web said:\n%s", err, instance.Said())
		}
	})
	return contract.Caller{TB: s.T, Server: instance.Server}
}

// TestSwitchOver is the way of somebody who moves over: the state is imported, and each machine, with the
// client that it has, gets the answer that the contract has for it. What is to be flashed is.
func TestSwitchOver(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	lab := filepath.Join(t.TempDir(), "bty-lab")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", lab, "bty/cmd/bty-lab")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build bty-lab: %v\n%s", err, out)
	}
	c := s.move(lab)
	for _, m := range s.movers() {
		t.Run(m.mac+" "+m.mode, func(t *testing.T) { s.moved(contract.Caller{TB: t, Server: c.Server}, m) })
	}
	if got := c.Anonymous("GET", "/boot/memtest.efi", nil).Is(200).Body; got != "our memtest" {
		t.Errorf("a boot file of the site is %q", got)
	}
	for path, want := range map[string]string{"/ui/settings": "Europe/Copenhagen", "/ui/backups": "daily", "/api/v1/backups": `"retention_count":3`} {
		if got := c.Do("GET", path, nil).Is(200).Body; !strings.Contains(got, want) {
			t.Errorf("%s lacks %q", path, want)
		}
	}
}

// moved powers one machine on and looks at all that it is told and does.
func (s *site) moved(c contract.Caller, m mover) {
	c.Helper()
	script := c.Script(m.mac)
	checkScript(c, m, script)
	if m.script == "starts" {
		for _, part := range []string{"kernel", "initrd"} {
			found := regexp.MustCompile(`(?m)^` + part + ` \$\{bty-base\}(/boot/\S+\?mac=\S+)`).FindStringSubmatch(script)
			if found == nil {
				c.Fatalf("no %s in\n%s", part, script)
			}
			if got := c.Anonymous("GET", found[1], nil).Is(200).Body; got != "our "+part {
				c.Errorf("%s is %q", found[1], got)
			}
		}
	}
	checkPlan(c, m)
	path, file := looptest.New(c.TB.(*testing.T), 8*mib, looptest.Options{})
	old := &Client{Server: c.URL, MAC: m.mac, CAs: s.front.CAs, Lsblk: As(map[string]string{path: m.serial})}
	got := old.Run(c.Context())
	wants := map[string]Outcome{"exit": {}, "inventory": {Rebooted: true}, "flash": {Rebooted: true}, "interactive": {Wizard: true, Catalog: c.URL + "/catalog.toml", Entries: got.Entries}}[m.kind]
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", wants) {
		c.Errorf("the client: %+v, want %+v", got, wants)
	}
	if m.kind == "interactive" {
		s.checkEntries(c, got.Entries)
	}
	content, err := os.ReadFile(file)
	switch {
	case err != nil:
		c.Fatal(err)
	case m.writes == nil && len(bytes.Trim(content, "\x00")) > 0:
		c.Error("its disk was written")
	case m.writes != nil && !bytes.HasPrefix(content, m.writes):
		c.Error("its disk does not hold the image")
	case m.writes != nil && contract.Starts(c.Script(m.mac)):
		c.Error("flashed, it does not come to its disk")
	}
}

// checkEntries: the catalog of the wizard has the images with a digest, each under a name of its own.
func (s *site) checkEntries(c contract.Caller, entries []Entry) {
	c.Helper()
	var sources []string
	names := map[string]bool{}
	for _, e := range entries {
		sources = append(sources, e.Src)
		names[e.Name] = true
	}
	want := []string{s.src["http"], s.src["named"], s.src["oras"]}
	slices.Sort(sources)
	slices.Sort(want)
	if !slices.Equal(sources, want) || len(names) != len(want) {
		c.Errorf("the wizard shows %+v, want %q", entries, want)
	}
}

func checkScript(c contract.Caller, m mover, script string) {
	c.Helper()
	kind, arg, _ := strings.Cut(m.script, " ")
	ok := map[string]bool{
		"starts": contract.Starts(script) && strings.Contains(script, "bty-netboot-pc-x86_64-v"+versionThere+".squashfs"),
		"disk":   !strings.Contains(script, "kernel") && strings.Contains(script, "sanboot --no-describe --drive "+arg),
		"order":  !strings.Contains(script, "kernel") && !strings.Contains(script, "sanboot") && strings.Contains(script, arg),
	}[kind]
	if !ok {
		c.Errorf("the script is not %s:\n%s", m.script, script)
	}
}

// ours are the keys that this server adds to a plan, which old clients do not know.
var ours = []string{"reason", "size_bytes"}

// checkPlan holds a plan against the contract's, key by key.
func checkPlan(c contract.Caller, m mover) {
	c.Helper()
	want := map[string]any{"mode": m.kind}
	maps.Copy(want, m.plan)
	if m.kind == "flash" {
		want["target_disk_serial"] = m.serial
	}
	if path, ok := want["catalog"]; ok {
		want["catalog"] = c.URL + path.(string)
	}
	plan := c.Plan(m.mac)
	maps.DeleteFunc(plan, func(key string, _ any) bool { return slices.Contains(ours, key) })
	got, err := json.Marshal(plan)
	wanted, _ := json.Marshal(want)
	if err != nil || string(got) != string(wanted) {
		c.Errorf("the plan is %s, want %s", got, wanted)
	}
}
