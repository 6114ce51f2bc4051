// Package boot decides what a machine gets. Decide is every boot policy of the appliance: a
// script, a plan, a page and an explanation are renderings of the one Offer that it returns.
package boot

import (
	"time"

	"bty/internal/catalog"
	"bty/internal/machine"
	"bty/internal/rule"
)

// Asker is who wants to know, which settles what can be answered.
type Asker uint8

const (
	Firmware Asker = iota // iPXE, answered with a script
	Live                  // the live environment, answered with a plan
)

// Question is one request of a machine.
type Question struct {
	Asker Asker
	Via   machine.Via // how firmware loaded what asks
	Again bool        // the script before this one got no answer and asks once more
	Now   time.Time
}

// Action is what the machine is told to do.
type Action uint8

const (
	BootDisk     Action = iota // firmware: boot the machine's own disk
	StartLive                  // firmware: start the live environment
	LeaveToOrder               // firmware: go on with the firmware's boot order
	Unset                      // firmware: a flash mode without an image; say so, then the disk
	Flash                      // live: write the image to the target disk
	Report                     // live: post the hardware inventory, then reboot
	Wizard                     // live: let a person choose
	Leave                      // live: nothing to do
)

// Rule names the line of the policy that decided. It is what pages, events and explanations show.
type Rule string

const (
	RuleExit           Rule = "exit"
	RuleWizard         Rule = "wizard"
	RuleInventory      Rule = "inventory"
	RuleInventoryRetry Rule = "inventory-retry"
	RuleInventoryDone  Rule = "inventory-done"
	RuleFlash          Rule = "flash"
	RuleFlashRetry     Rule = "flash-retry"
	RuleFlashDone      Rule = "flash-done"
	RuleFailed         Rule = "failed"
	RuleStuck          Rule = "stuck"
	RuleNoImage        Rule = "no-image"
	RuleOrphanRef      Rule = "orphan-ref"
	RuleNoTargetDisk   Rule = "no-target-disk"
	RuleNoLiveFiles    Rule = "no-live-environment"
	defaultDrive            = "0x80"
	defaultMaxAttempts      = 5
)

// Because says in a sentence why the rule applies.
func (r Rule) Because() string { return because[r] }

var because = map[Rule]string{
	RuleExit:           "the boot mode is ipxe-exit: the machine boots its own disk",
	RuleWizard:         "the boot mode is bty-tui: a person chooses in the wizard",
	RuleInventory:      "the boot mode is bty-inventory: the machine reports its hardware",
	RuleInventoryRetry: "the live environment was started but no inventory came: it is started again",
	RuleInventoryDone:  "the inventory has come: the machine boots its own disk",
	RuleFlash:          "an image is bound and waits to be flashed",
	RuleFlashRetry:     "the live environment was started but no completion came: the image is flashed again",
	RuleFlashDone:      "the image has been flashed: the machine boots its own disk",
	RuleFailed:         "the last flash or inventory failed, and nothing more is tried until the machine is armed again",
	RuleStuck:          "the live environment was started too often without a completion, and nothing more is tried until the machine is armed again",
	RuleNoImage:        "the boot mode flashes, but no image is bound",
	RuleOrphanRef:      "the bound image is not in the catalog",
	RuleNoTargetDisk:   "the boot mode flashes, but no target disk is set",
	RuleNoLiveFiles:    "no live environment is installed on the appliance",
}

// LiveFiles names the files of the live environment that a machine is to start.
type LiveFiles struct {
	Kernel   string `json:"kernel"`
	Initrd   string `json:"initrd"`
	Squashfs string `json:"squashfs,omitempty"` // root file system of the Debian live environment
	Words    string `json:"-"`                  // kernel arguments of this site, for the one that is our own
	Append   string `json:"-"`                  // kernel arguments that the operator adds to any
}

// Knowledge is what the appliance knows beside the machine when it decides.
type Knowledge struct {
	Assigned    *rule.Assigned // what the rules make of the machine; nil if there are no rules
	Image       *catalog.Entry // the one it is to be flashed with, nil if the catalog does not have it
	Cache       catalog.Cached // what the cache of images says of Image, asked for before a plan only
	Live        LiveFiles      // zero if no complete live environment is installed
	Missing     string         // the file for want of which there is none
	Verify      bool           // what is written is to be read back, where neither machine nor image says
	Grow        bool           // the last partition is to end with the disk, where neither machine nor image says
	MaxAttempts int            // starts without a completion before giving up; 0 means 5
}

// Offer is the answer to one question of one machine.
type Offer struct {
	Asker    Asker
	Question Question
	Action   Action
	Rule     Rule
	Machine  machine.Machine // as it stood under the rules when it asked
	Assigned rule.Assigned   // what the rules make of it, and who decided
	Image    *catalog.Entry  // resolved, for StartLive in a flash mode and for Flash
	Cache    catalog.Cached  // for Flash: what the cache of images says of Image
	Grow     Chosen          // where something is or may be flashed: whether the last partition is to end with the disk
	Verify   Chosen          // the same: whether the disk is to be read back before it is called done
	Live     LiveFiles       // for StartLive
	Missing  string          // for RuleNoLiveFiles
}

// ImageURL is where the machine fetches its image: from the cache if that has it, else from the
// origin.
func (o Offer) ImageURL() string {
	if o.Cache.Hit {
		return o.Cache.URL
	}
	return o.Image.URL()
}

// Drive is the BIOS drive that a disk boot names.
func (o Offer) Drive() string {
	if o.Action == Unset || o.Machine.Intent.Drive == "" {
		return defaultDrive
	}
	return o.Machine.Intent.Drive
}

// Retry reports whether an earlier start of the live environment in this cycle came to nothing.
func (o Offer) Retry() bool { return o.Rule == RuleFlashRetry || o.Rule == RuleInventoryRetry }
