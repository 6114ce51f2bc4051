// Package ipxe renders an Offer as an iPXE script. The scripts are files in scripts/; none opens
// a shell, every fetch in them is retried a bounded number of times with a growing pause, and
// each ends in the firmware's boot order.
package ipxe

import (
	"bytes"
	"embed"
	"fmt"
	"strings"
	"text/template"

	"bty/internal/boot"
	"bty/internal/machine"
)

//go:embed scripts/*.ipxe
var files embed.FS

var scripts = template.Must(template.ParseFS(files, "scripts/*.ipxe"))

// ContentType is the media type of a script.
const ContentType = "text/plain; charset=utf-8"

// Bootstrap is the script that leads every iPXE, whatever started it, to the script of its own
// machine. host is what the client reached us by, host or host:port.
// via is how its firmware loaded iPXE, as far as anybody knows.
func Bootstrap(host string, via machine.Via) []byte {
	return execute("bootstrap.ipxe", script{Host: word(host), Via: word(string(via))})
}

// Autoexec is the script that iPXE finds beside its own program: DHCP, then Bootstrap.
func Autoexec(host string, via machine.Via) []byte {
	return execute("autoexec.ipxe", script{Host: word(host), Via: word(string(via))})
}

// Render is the script for an offer made to firmware.
func Render(offer boot.Offer, host string) []byte {
	s := newScript(offer, host)
	switch offer.Action {
	case boot.StartLive:
		s.Arguments = arguments(offer)
		return execute("live.ipxe", s)
	case boot.LeaveToOrder:
		return execute("leave.ipxe", s)
	}
	switch offer.Rule {
	case boot.RuleNoImage, boot.RuleFailed, boot.RuleStuck, boot.RuleNoLiveFiles: // somebody expects more
		s.Pause, s.Notice = 5, s.Because+": "
	}
	return execute("disk.ipxe", s)
}

// script is what the templates see. Every string in it is safe inside a script.
type script struct {
	Host, Via, MAC, Mode, Because, Notice, Ref, ShortRef, Serial, Labels, Drive, Arguments string
	Live                                                                                   boot.LiveFiles
	Pause                                                                                  int // seconds, long enough to read the notice
}

func newScript(offer boot.Offer, host string) script {
	intent := offer.Machine.Intent
	s := script{
		Host: word(host), MAC: offer.Machine.MAC.String(), Mode: intent.Mode.String(),
		Because: text(offer.Rule.Because()), Drive: word(offer.Drive()), Serial: text(intent.TargetSerial),
		Labels: text(strings.Join(intent.Labels, ", ")), Live: offer.Live, Pause: 1,
	}
	if !intent.Image.IsZero() {
		s.Ref, s.ShortRef = intent.Image.String(), intent.Image.Short()
	}
	if offer.Missing != "" {
		s.Because += text(" (missing: " + offer.Missing + ")")
	}
	if offer.Rule == boot.RuleFailed {
		s.Because += text(" (" + offer.Machine.Facts.Reason + ")")
	}
	return s
}

// consoles are the kernel arguments that every live environment gets. The last console is
// /dev/console: ttyS0, after the COM2 that some management controllers redirect.
const consoles = "console=tty0 console=ttyS1,115200 console=ttyS0,115200 earlyprintk=ttyS0,115200 " +
	"plymouth.enable=0 modprobe.blacklist=nouveau,rndis_host nouveau.modeset=0 systemd.gpt_auto=0"

func arguments(offer boot.Offer) string {
	return wired(offer) + added(offer.Live.Append) + added(offer.Machine.Intent.KernelWords)
}

// added are the operator's words, behind ours, a machine's own last: of two words that say the same the kernel takes the
// last, and a console that is named last is /dev/console.
func added(words string) string {
	if words == "" {
		return ""
	}
	return " " + text(words)
}

// wired are the arguments that the appliance writes by itself.
func wired(offer boot.Offer) string {
	tail := fmt.Sprintf("%s bty.server=${bty-base} bty.mac=%s", consoles, offer.Machine.MAC)
	if offer.Live.Squashfs == "" {
		// A kernel that does not reach init must not hang for ever. An iPXE of before 2020 leaves
		// it to the kernel's command line to name the initrd (UEFI only; ignored elsewhere).
		tail += " panic=30 initrd=" + offer.Live.Initrd
		if offer.Live.Words != "" {
			tail += " " + text(offer.Live.Words)
		}
		return tail
	}
	// The squashfs URL carries no query: live-boot makes a file name of it.
	return "boot=live fetch=${bty-base}/boot/" + offer.Live.Squashfs + " components " + tail
}

func execute(name string, s script) []byte {
	var b bytes.Buffer
	if err := scripts.ExecuteTemplate(&b, name, s); err != nil {
		panic(err) // a template that ships in the binary does not match its data
	}
	return b.Bytes()
}

// text makes s harmless in an echo or a comment: one line, no ${expansion}, no separator that
// would start another command.
func text(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '$' || r == '{' || r == '}' || r == '&' || r == '|' || r == ';' || r == '"' || r == '\'' || r == '`' || r == '\\':
			return '_'
		case r < ' ' || r == 0x7f || r > '~':
			return '_'
		}
		return r
	}, s)
}

// word makes s harmless where one argument is expected.
func word(s string) string { return strings.ReplaceAll(text(s), " ", "_") }
