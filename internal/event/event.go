// Package event holds the audit log's vocabulary: what can happen, and the record of it.
package event

import (
	"encoding/json"
	"net/netip"
	"strings"
	"time"
)

// ID orders events: a later one has a larger ID.
type ID uint64

// Actor is who made it happen.
type Actor string

const (
	Operator Actor = "operator"
	Client   Actor = "pxe-client"
	System   Actor = "system"
)

// Subject is the kind of thing that it happened to.
type Subject string

const (
	NoSubject Subject = ""
	Machine   Subject = "machine"
	Catalog   Subject = "catalog"
	Netboot   Subject = "netboot"
	Settings  Subject = "settings"
	Auth      Subject = "auth"
	Backup    Subject = "backup"
	Rule      Subject = "rule"
)

// Kind is one of a closed set.
type Kind string

const (
	MachineDiscovered  Kind = "machine.discovered"
	MachineCreated     Kind = "machine.created"
	MachineUpserted    Kind = "machine.upserted"
	MachineDeleted     Kind = "machine.deleted"
	MachineArmed       Kind = "machine.armed"
	MachineInventory   Kind = "machine.inventory"
	MachineStage       Kind = "machine.stage"
	MachineFlashed     Kind = "machine.flashed"
	MachineFlashFailed Kind = "machine.flash_failed"
	MachineStuck       Kind = "machine.stuck"

	PXEOffered      Kind = "netboot.pxe.offered"
	PXEPlan         Kind = "netboot.pxe.plan"
	ContactsFolded  Kind = "netboot.contacts.folded" // many offers or plans of one machine and day in one row
	FlasherArmed    Kind = "netboot.flasher.armed"
	ArtifactFetched Kind = "netboot.artifact.fetched"
	LiveMissing     Kind = "netboot.live.missing"
	TFTPTransfer    Kind = "netboot.tftp.transfer"
	ClientOrphan    Kind = "pxe.client.orphan"

	FetchRequested     Kind = "netboot.artifacts.fetch.requested"
	FetchStarted       Kind = "netboot.artifacts.fetch.started"
	FetchDone          Kind = "netboot.artifacts.fetched"
	FetchFailed        Kind = "netboot.artifacts.fetch.failed"
	FetchCancelled     Kind = "netboot.artifacts.fetch.cancelled"
	ArtifactsInstalled Kind = "netboot.artifacts.installed" // by bty-lab, over the control socket
	ArtifactUploaded   Kind = "netboot.artifact.uploaded"
	ArtifactDeleted    Kind = "netboot.artifact.deleted"

	EntryAdded      Kind = "catalog.entry.added"
	EntryAddFailed  Kind = "catalog.entry.add.failed"
	EntryChanged    Kind = "catalog.entry.changed"
	EntryDeleted    Kind = "catalog.entry.deleted"
	EntriesImported Kind = "catalog.entries.imported"

	BackupRequested Kind = "backup.create.requested"
	BackupStarted   Kind = "backup.create.started"
	BackupCreated   Kind = "backup.created"
	BackupFailed    Kind = "backup.failed"
	BackupCancelled Kind = "backup.create.cancelled"
	BackupPruned    Kind = "backup.pruned"
	BackupDeleted   Kind = "backup.deleted"
	BackupRestored  Kind = "backup.restored"
	BundleImported  Kind = "backup.bundle.imported"

	SettingsUpstream     Kind = "settings.upstream.updated"
	SettingsBackup       Kind = "settings.backup.updated"
	SettingsDisplay      Kind = "settings.display.updated"
	SettingsEvents       Kind = "settings.events.updated"
	SettingsForgotten    Kind = "settings.stored.removed" // a stored value; the configuration's counts again
	SettingsConfig       Kind = "settings.config.updated"
	SettingsConfigFailed Kind = "settings.config.failed"
	TokenCreated         Kind = "auth.token.created"
	TokenRevoked         Kind = "auth.token.revoked"
	LoginSucceeded       Kind = "auth.login.succeeded"
	LoginFailed          Kind = "auth.login.failed"
	LoginLimited         Kind = "auth.login.limited" // too many wrong passwords from one address
	Logout               Kind = "auth.logout"

	RuleCreated Kind = "rule.created"
	RuleChanged Kind = "rule.changed"
	RuleDeleted Kind = "rule.deleted"
)

// Failed reports whether the kind is one that asks for the operator's attention.
func (k Kind) Failed() bool {
	return strings.HasSuffix(string(k), "failed") || k == MachineStuck || k == LiveMissing
}

// Event is one row of the audit log. The JSON names are those of the wire.
type Event struct {
	ID           ID              `json:"id"`
	At           time.Time       `json:"ts"`
	Kind         Kind            `json:"kind"`
	SubjectKind  Subject         `json:"subject_kind"`
	SubjectID    string          `json:"subject_id"`
	Actor        Actor           `json:"actor"`
	SourceIP     netip.Addr      `json:"source_ip"`
	Summary      string          `json:"summary"`
	Details      json.RawMessage `json:"details,omitempty"` // an object, or absent
	Acknowledged bool            `json:"acknowledged"`
}

// Filter selects events. A nil field selects all; a field that is set must be equal.
type Filter struct {
	Kind        *Kind
	SubjectKind *Subject
	SubjectID   *string
	Actor       *Actor
	SourceIP    *string
	FailedOnly  bool
	Before      ID  // strictly smaller IDs; 0 means the newest on
	After       ID  // strictly larger IDs
	Limit       int // how many at most
}

// Match reports whether e is selected, page bounds aside.
func (f Filter) Match(e Event) bool {
	return equal(f.Kind, e.Kind) && equal(f.SubjectKind, e.SubjectKind) && equal(f.SubjectID, e.SubjectID) &&
		equal(f.Actor, e.Actor) && equal(f.SourceIP, Address(e.SourceIP)) && (!f.FailedOnly || e.Kind.Failed())
}

func equal[T comparable](want *T, got T) bool { return want == nil || *want == got }

// Address is how an event's source is written: IPv4-mapped IPv6 as IPv4, "" if there is none.
func Address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().WithZone("").String()
}
