package systemd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bty/internal/message"
)

// journald is the far end of the native protocol.
func journald(t *testing.T) (path string, next func() map[string]string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "socket")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return path, func() map[string]string {
		t.Helper()
		buf, oob := make([]byte, 1<<20), make([]byte, 256)
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, oobn, _, _, err := conn.ReadMsgUnix(buf, oob)
		if err != nil {
			t.Fatal(err)
		}
		if oobn == 0 {
			return decode(t, buf[:n])
		}
		return decode(t, received(t, oob[:oobn]))
	}
}

// received reads an entry that came as a memory file, which must be sealed.
func received(t *testing.T, oob []byte) []byte {
	t.Helper()
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(messages) != 1 {
		t.Fatal(messages, err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		t.Fatal(fds, err)
	}
	f := os.NewFile(uintptr(fds[0]), "entry")
	defer f.Close()
	seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
	if want := unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL; err != nil || seals != want {
		t.Errorf("seals %#x, %v: journald refuses a file that may change", seals, err)
	}
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<30))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode(t *testing.T, entry []byte) map[string]string {
	t.Helper()
	fields := make(map[string]string)
	for len(entry) > 0 {
		i := bytes.IndexAny(entry, "=\n")
		if i < 0 {
			t.Fatalf("half a field: %q", entry)
		}
		name := string(entry[:i])
		if entry[i] == '=' {
			end := bytes.IndexByte(entry, '\n')
			fields[name], entry = string(entry[i+1:end]), entry[end+1:]
			continue
		}
		n := binary.LittleEndian.Uint64(entry[i+1:])
		fields[name] = string(entry[i+9 : i+9+int(n)])
		entry = entry[i+10+int(n):]
	}
	return fields
}

func TestJournalFields(t *testing.T) {
	path, next := journald(t)
	h, err := DialJournal(path, slog.LevelInfo)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(h)
	const id = "0123456789abcdef0123456789abcdef"
	log.With("mac", "52:54:00:00:00:01").WithGroup("net").Error("it failed", "if-name", "eth0", "err", errors.New("two\nlines"),
		"dur", 1500*time.Millisecond, message.Key, id, slog.Group("peer", "ip", "10.0.0.1"), "empty", "", "n", 3, slog.Attr{})
	got := next()
	for k, want := range map[string]string{
		"MESSAGE":  `it failed if-name=eth0 err="two\nlines" dur=1.5s ip=10.0.0.1 empty="" n=3`,
		"PRIORITY": "3", "MESSAGE_ID": id, "BTY_MAC": "52:54:00:00:00:01", "BTY_NET_IF_NAME": "eth0",
		"BTY_NET_ERR": "two\nlines", "BTY_NET_DUR_USEC": "1500000", "BTY_NET_PEER_IP": "10.0.0.1", "BTY_NET_EMPTY": "", "BTY_NET_N": "3",
		"CODE_FUNC": "bty/internal/systemd.TestJournalFields", "SYSLOG_IDENTIFIER": filepath.Base(os.Args[0]),
	} {
		if got[k] != want {
			t.Errorf("%s = %q, want %q", k, got[k], want)
		}
	}
	for name := range got {
		if strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
			t.Errorf("journald drops the field %q", name)
		}
	}
	for level, want := range map[slog.Level]string{slog.LevelInfo: "6", slog.LevelWarn: "4", slog.LevelError: "3"} {
		log.Log(t.Context(), level, "x")
		if p := next()["PRIORITY"]; p != want {
			t.Errorf("%v has priority %s", level, p)
		}
	}
	if log.Enabled(t.Context(), slog.LevelDebug) {
		t.Error("debug is on")
	}
}

// A value cannot add fields of its own: an image's name is from somebody else.
func TestJournalValuesCannotForgeFields(t *testing.T) {
	path, next := journald(t)
	h, err := DialJournal(path, slog.LevelInfo)
	if err != nil {
		t.Fatal(err)
	}
	slog.New(h).Info("a\nPRIORITY=0", "file", "x\nBTY_MAC=52:54:00:00:00:01\n", "k=ey\n", "v")
	got := next()
	if got["BTY_MAC"] != "" || got["PRIORITY"] != "6" || got["BTY_FILE"] != "x\nBTY_MAC=52:54:00:00:00:01\n" || got["BTY_K_EY_"] != "v" {
		t.Errorf("%q", got)
	}
}

// Linger waits for journald, but not for ever.
func TestJournalLinger(t *testing.T) {
	path, next := journald(t)
	h, err := DialJournal(path, slog.LevelInfo)
	if err != nil {
		t.Fatal(err)
	}
	slog.New(h).Error("last words")
	heard := make(chan time.Time, 1)
	go func() {
		time.Sleep(200 * time.Millisecond)
		heard <- time.Now()
		next()
	}()
	begun := time.Now()
	h.Linger()
	if at := <-heard; time.Now().Before(at) || time.Since(begun) < 200*time.Millisecond {
		t.Errorf("it did not wait: %v", time.Since(begun))
	}
	slog.New(h).Error("nobody reads this")
	begun = time.Now()
	if h.Linger(); time.Since(begun) < heardLimit || time.Since(begun) > 10*heardLimit {
		t.Errorf("without journald it took %v", time.Since(begun))
	}
}

// A journald that is stuck holds nobody up for long, and what it missed is counted once it reads again.
func TestStuckJournal(t *testing.T) {
	path, next := journald(t)
	h, err := DialJournal(path, slog.LevelInfo)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(h)
	const workers, each = 8, 1000
	begun := time.Now()
	var work sync.WaitGroup
	for range workers {
		work.Go(func() {
			for range each {
				log.Info("nobody reads this")
			}
		})
	}
	work.Wait()
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("%d lines took %v", workers*each, took)
	}
	kept := 0 // by the kernel
	for ; ; kept++ {
		if queued(t, h) == 0 {
			break
		}
		next()
	}
	log.Info("somebody reads again")
	next()
	if told, err := strconv.Atoi(next()["BTY_MORE"]); err != nil || told+kept != workers*each {
		t.Errorf("%d lines are told of as lost and %d were read, of %d: %v", told, kept, workers*each, err)
	}
}

// queued is how much journald has not read.
func queued(t *testing.T, j *Journal) (n int) {
	t.Helper()
	raw, err := j.to.conn.Load().SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A journald whose socket was made anew is found again.
func TestJournalSocketAnew(t *testing.T) {
	dir := t.TempDir()
	listen := func() *net.UnixConn {
		t.Helper()
		conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "socket"), Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	first := listen()
	h, err := DialJournal(filepath.Join(dir, "socket"), slog.LevelInfo)
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	slog.New(h).Info("while it is away")
	os.Remove(filepath.Join(dir, "socket"))
	again := listen()
	defer again.Close()
	slog.New(h).Info("back")
	buf := make([]byte, 4096)
	for _, want := range []string{"MESSAGE=back\n", "BTY_MORE=1\n"} {
		again.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := again.Read(buf)
		if err != nil || !strings.Contains(string(buf[:n]), want) {
			t.Errorf("%v: %s", err, buf[:n])
		}
	}
}

// Those who find the new socket at the same time do not take each other's away.
func TestJournalSocketAnewForMany(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	listen := func() *net.UnixConn {
		conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		go io.Copy(io.Discard, conn)
		return conn
	}
	socket := listen()
	h, err := DialJournal(path, slog.LevelInfo)
	if err != nil {
		t.Fatal(err)
	}
	for range 3000 {
		socket.Close()
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		socket = listen()
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				if err := h.Handle(t.Context(), slog.NewRecord(time.Now(), slog.LevelInfo, "line", 0)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	socket.Close()
}

func TestJournalLargeEntry(t *testing.T) {
	path, next := journald(t)
	h, err := DialJournal(path, slog.LevelInfo)
	if err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("0123456789\n", 200000)
	if err := h.Handle(context.Background(), slog.NewRecord(time.Now(), slog.LevelInfo, large, 0)); err != nil {
		t.Fatal(err)
	}
	if got := next()["MESSAGE"]; got != large {
		t.Errorf("%d bytes arrived of %d", len(got), len(large))
	}
}

func TestIsJournal(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	for stream, want := range map[string]bool{
		fmt.Sprintf("%d:%d", st.Dev, st.Ino): true, fmt.Sprintf("%d:%d", st.Dev, st.Ino+1): false, "": false, "x": false, "1": false,
	} {
		if IsJournal(func(string) string { return stream }, f) != want {
			t.Errorf("%q: %v", stream, !want)
		}
	}
	if IsJournal(func(string) string { return "1:2" }, io.Discard) {
		t.Error("a writer that is no file")
	}
}

func TestLoggerFormats(t *testing.T) {
	for _, tt := range []struct{ env, want string }{
		{"BTY_LOG=json", `"msg":"hello"`}, {"BTY_LOG_FORMAT=json", `"msg":"hello"`}, {"", "msg=hello"}, {"BTY_LOG_LEVEL=debug", "level=DEBUG"},
		{"JOURNAL_STREAM=1:2", "msg=hello"},
	} {
		var out bytes.Buffer
		name, value, _ := strings.Cut(tt.env, "=")
		log := NewLogger(func(n string) string {
			if n == name {
				return value
			}
			return ""
		}, &out)
		log.Debug("low")
		log.Info("hello")
		if !strings.Contains(out.String(), tt.want) {
			t.Errorf("%s: %s", tt.env, &out)
		}
	}
}

func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	for _, tt := range []struct {
		send func() error
		want string
	}{
		{Ready, "READY=1"}, {Stopping, "STOPPING=1"}, {Watchdog, "WATCHDOG=1"},
		{func() error { return Status("%d machines\nREADY=1", 3) }, "STATUS=3 machines READY=1"},
		{func() error { return ReloadFailed(errors.New("no\nway")) }, "READY=1\nSTATUS=reload failed: no way\nERRNO=22"},
		{func() error { return ExtendTimeout(2 * time.Second) }, "EXTEND_TIMEOUT_USEC=2000000"},
	} {
		if err := tt.send(); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 500)
		n, err := conn.Read(buf)
		if err != nil || string(buf[:n]) != tt.want {
			t.Errorf("%q, %v; want %q", buf[:n], err, tt.want)
		}
	}
	t.Setenv("NOTIFY_SOCKET", path+"gone")
	if err := Ready(); err == nil {
		t.Error("a message to nobody is no error")
	}
}

func FuzzAppendField(f *testing.F) {
	f.Add("mac", "52:54:00:00:00:01")
	f.Add("a=b\n", "x\ny")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, key, value string) {
		var buf bytes.Buffer
		appendAttr(&buf, "BTY_", slog.String(key, value))
		if key == message.Key || key == "" && value == "" {
			return
		}
		got := decode(t, buf.Bytes())
		if len(got) != 1 {
			t.Errorf("%q=%q became %q", key, value, got)
		}
		for _, v := range got {
			if v != value {
				t.Errorf("%q became %q", value, v)
			}
		}
	})
}
