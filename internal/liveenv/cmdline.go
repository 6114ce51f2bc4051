package liveenv

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"bty/internal/liveenv/kmod"
	"bty/internal/machine"
	"bty/internal/origin"
)

// settings are what the kernel's command line asks for.
type settings struct {
	server   string       // "" when not given
	mac      *machine.MAC // nil: that of the NIC in use
	net      netWords
	loglevel bool          // the operator chose what the kernel prints
	hold     time.Duration // how long a failure stays on the screen
	sendLog  bool          // to the server
	rescue   bool          // a shell instead of the work
	consoles []console     // console=, in its order
	modules  kmod.Params
}

// console is a terminal that the command line names.
type console struct {
	name  string // "ttyS0"
	speed uint32 // of a serial port; 0 when not given
}

// parseCmdline reads /proc/cmdline. An error is worth a person's attention, but the settings
// that could be read are returned with it.
func parseCmdline(text string) (settings, error) {
	s := settings{hold: defaultHold, modules: kmod.Params{Blacklist: map[string]bool{}, Options: map[string]string{}}}
	var failed error
	bootif := ""
	for _, word := range words(text) {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "bty.server":
			failed = keep(failed, s.setServer(value))
		case "bty.mac":
			failed = keep(failed, s.setMAC(value))
		case "bty.hold":
			failed = keep(failed, s.setHold(value))
		case "bty.log":
			failed = keep(failed, s.setLog(value))
		case "bty.rescue":
			s.rescue = value != "0"
		case "BOOTIF":
			bootif = value
		case "console":
			s.addConsole(value)
		case "loglevel", "debug", "ignore_loglevel", "quiet":
			s.loglevel = true
		case "modprobe.blacklist":
			for name := range strings.SplitSeq(value, ",") {
				s.modules.Blacklist[kmod.Normalise(name)] = true
			}
		default:
			ours, err := s.net.set(key, value)
			failed = keep(failed, err)
			if !ours {
				s.moduleOption(word)
			}
		}
	}
	if s.mac == nil && bootif != "" {
		failed = keep(failed, s.setBootif(bootif))
	}
	return s, failed
}

func keep(first, next error) error {
	if first != nil {
		return first
	}
	return next
}

// setServer keeps the first, as the clients that came before do.
func (s *settings) setServer(value string) error {
	if s.server != "" {
		return nil
	}
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return fmt.Errorf("bty.server=%s on the kernel's command line is not an http or https URL", origin.Redact(value))
	}
	if u.User != nil {
		return errors.New("bty.server= on the kernel's command line carries a user name or password: bty-web's routes for machines take none")
	}
	s.server = u.Scheme + strings.TrimRight(value[len(u.Scheme):], "/")
	return nil
}

func (s *settings) setMAC(value string) error {
	if s.mac != nil {
		return nil
	}
	mac, err := machine.ParseMAC(value)
	if err != nil {
		return fmt.Errorf("bty.mac on the kernel's command line: %w", err)
	}
	s.mac = &mac
	return nil
}

// defaultHold is long enough to read a failure and short enough for an unattended machine.
const defaultHold = time.Minute

func (s *settings) setHold(value string) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > 3600 {
		return fmt.Errorf("bty.hold=%s on the kernel's command line: want seconds, 1 to 3600", value)
	}
	s.hold = time.Duration(n) * time.Second
	return nil
}

func (s *settings) setLog(value string) error {
	switch value {
	case "server", "1", "":
		s.sendLog = true
	case "0":
		s.sendLog = false
	default:
		return fmt.Errorf("bty.log=%s on the kernel's command line: want server (or 1), or 0", value)
	}
	return nil
}

// setBootif reads what PXELINUX and its kind append: the hardware type and the address,
// "01-52-54-00-12-34-56".
func (s *settings) setBootif(value string) error {
	address := strings.TrimPrefix(value, "01-")
	mac, err := machine.ParseMAC(address)
	if err != nil {
		return fmt.Errorf("BOOTIF on the kernel's command line: %w", err)
	}
	s.mac = &mac
	return nil
}

// addConsole reads "ttyS0,115200n8r".
func (s *settings) addConsole(value string) {
	name, options, _ := strings.Cut(value, ",")
	digits := strings.IndexFunc(options, func(r rune) bool { return r < '0' || r > '9' })
	if digits < 0 {
		digits = len(options)
	}
	speed, _ := strconv.ParseUint(options[:digits], 10, 32) // without digits: as the port is
	s.consoles = append(s.consoles, console{name, uint32(speed)})
}

// moduleOption keeps "module.parameter=value", as modprobe does: operators tame hardware so.
func (s *settings) moduleOption(word string) {
	name, option, ok := strings.Cut(word, ".")
	if !ok || name == "" || option == "" || strings.Contains(name, "=") || name == "bty" || name == "systemd" {
		return
	}
	name = kmod.Normalise(name)
	if have := s.modules.Options[name]; have != "" {
		option = have + " " + option
	}
	s.modules.Options[name] = option
}

// words splits like the kernel: at blanks that are not inside double quotes, which are dropped.
func words(text string) []string {
	var out []string
	var word strings.Builder
	quoted := false
	flush := func() {
		if word.Len() > 0 {
			out = append(out, word.String())
			word.Reset()
		}
	}
	for _, c := range []byte(text) {
		switch {
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ' ' || c == '\t' || c == '\n' || c == 0):
			flush()
		default:
			word.WriteByte(c)
		}
	}
	flush()
	return out
}
