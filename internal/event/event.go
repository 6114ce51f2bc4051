// Package event holds the audit log's vocabulary: what can happen, and the record of it.
package event

import (
	"encoding/json"
	"log/slog"
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
	MachineSighted     Kind = "machine.sighted" // its firmware asked for an address, seen on the wire
	MachineDiscovered  Kind = "machine.discovered"
	MachineCreated     Kind = "machine.created"
	MachineUpserted    Kind = "machine.upserted"
	MachineDeleted     Kind = "machine.deleted"
	MachineTaken       Kind = "machine.taken_over" // from the previous system
	MachineArmed       Kind = "machine.armed"
	MachineInventory   Kind = "machine.inventory"
	MachineStage       Kind = "machine.stage"
	MachinePicked      Kind = "machine.picked" // by hand, at its console
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
	DoctorFound     Kind = "netboot.doctor.found" // a finding that somebody should look at
	DoctorGone      Kind = "netboot.doctor.gone"  // it is so no longer

	TFTPStarted       Kind = "netboot.tftp.started"
	TFTPStopped       Kind = "netboot.tftp.stopped"
	TFTPRestarted     Kind = "netboot.tftp.restarted"
	TFTPControlFailed Kind = "netboot.tftp.control.failed"

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
	TagMoved        Kind = "catalog.tag.moved" // a registry has other bytes under a tag

	CacheWarmed     Kind = "cache.warm.requested"
	CacheFilled     Kind = "cache.filled"
	CacheFillFailed Kind = "cache.fill.failed"
	CachePinned     Kind = "cache.pin.changed"
	CacheDeleted    Kind = "cache.deleted"

	BackupRequested Kind = "backup.create.requested"
	BackupStarted   Kind = "backup.create.started"
	BackupCreated   Kind = "backup.created"
	BackupFailed    Kind = "backup.failed"
	BackupCancelled Kind = "backup.create.cancelled"
	BackupPruned    Kind = "backup.pruned"
	BackupDeleted   Kind = "backup.deleted"
	BackupRestored  Kind = "backup.restored"
	BundleImported  Kind = "backup.bundle.imported"
	StateTaken      Kind = "backup.state.taken_over" // that of the previous system

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
	SessionsEnded        Kind = "auth.sessions.ended"
	Logout               Kind = "auth.logout"

	RuleCreated Kind = "rule.created"
	RuleChanged Kind = "rule.changed"
	RuleDeleted Kind = "rule.deleted"
)

// Kinds are all of them, in the order of what they are about.
var Kinds = []Kind{
	MachineSighted, MachineDiscovered, MachineCreated, MachineUpserted, MachineDeleted, MachineTaken, MachineArmed, MachineInventory,
	MachineStage, MachinePicked, MachineFlashed, MachineFlashFailed, MachineStuck, PXEOffered, PXEPlan, ContactsFolded,
	FlasherArmed, ArtifactFetched, LiveMissing, TFTPTransfer, ClientOrphan, DoctorFound, DoctorGone, TFTPStarted, TFTPStopped, TFTPRestarted, TFTPControlFailed, FetchRequested, FetchStarted,
	FetchDone, FetchFailed, FetchCancelled, ArtifactsInstalled, ArtifactUploaded, ArtifactDeleted, EntryAdded,
	EntryAddFailed, EntryChanged, EntryDeleted, EntriesImported, TagMoved, CacheWarmed, CacheFilled, CacheFillFailed, CachePinned, CacheDeleted, BackupRequested, BackupStarted, BackupCreated,
	BackupFailed, BackupCancelled, BackupPruned, BackupDeleted, BackupRestored, BundleImported, StateTaken, SettingsUpstream,
	SettingsBackup, SettingsDisplay, SettingsEvents, SettingsForgotten, SettingsConfig, SettingsConfigFailed,
	TokenCreated, TokenRevoked, LoginSucceeded, LoginFailed, LoginLimited, SessionsEnded, Logout, RuleCreated, RuleChanged,
	RuleDeleted,
}

// Failed reports whether the kind says by its name that something failed, as the wire has it.
func (k Kind) Failed() bool { return strings.HasSuffix(string(k), "failed") }

// Alarms reports whether the kind asks for the operator's attention.
func (k Kind) Alarms() bool { return k.Failed() || k == MachineStuck || k == LiveMissing }

// Contact reports whether the kind is a machine's question and its answer, one row each time.
func (k Kind) Contact() bool { return k == PXEOffered || k == PXEPlan }

// Event is one row of the audit log. The JSON names are those of the wire.
type Event struct {
	ID           ID              `json:"id"`
	At           time.Time       `json:"ts"`
	Kind         Kind            `json:"kind"`
	SubjectKind  Subject         `json:"subject_kind"`
	SubjectID    string          `json:"subject_id"`
	Actor        Actor           `json:"actor"`
	By           string          `json:"by,omitempty"` // which of the operator's tokens or tools
	SourceIP     netip.Addr      `json:"source_ip"`
	Summary      string          `json:"summary"`
	Details      json.RawMessage `json:"details,omitempty"` // an object, or absent
	Acknowledged bool            `json:"acknowledged"`

	// Attrs is what the journal has of it beside all that. It is not stored.
	Attrs []slog.Attr `json:"-"`
}

// With returns e with more for the journal.
func (e Event) With(attrs ...slog.Attr) Event {
	e.Attrs = append(e.Attrs[:len(e.Attrs):len(e.Attrs)], attrs...)
	return e
}

// Filter selects events. A nil field selects all; a field that is set must be equal.
type Filter struct {
	Kind        *Kind
	SubjectKind *Subject
	SubjectID   *string
	Actor       *Actor
	SourceIP    *string
	Text        string // that the kind, subject, actor, source or summary holds, in any case

	FailedOnly         bool
	AlarmsOnly         bool
	UnacknowledgedOnly bool
	Since              time.Time // not before; zero does not bound
	Until              time.Time // before; zero does not bound

	Before ID  // strictly smaller IDs; 0 means the newest on
	After  ID  // strictly larger IDs
	Skip   int // how many of the newest selected are left out
	Limit  int // how many at most
}

// Selective reports whether more than a range of IDs is asked for.
func (f Filter) Selective() bool {
	return f.Kind != nil || f.SubjectKind != nil || f.SubjectID != nil || f.Actor != nil || f.SourceIP != nil || f.Text != "" ||
		f.FailedOnly || f.AlarmsOnly || f.UnacknowledgedOnly || !f.Since.IsZero() || !f.Until.IsZero()
}

// Match reports whether e is selected, page bounds aside.
func (f Filter) Match(e Event) bool {
	return equal(f.Kind, e.Kind) && equal(f.SubjectKind, e.SubjectKind) && equal(f.SubjectID, e.SubjectID) &&
		equal(f.Actor, e.Actor) && equal(f.SourceIP, Address(e.SourceIP)) && f.matchState(e) && f.matchText(e)
}

func (f Filter) matchState(e Event) bool {
	return (!f.FailedOnly || e.Kind.Failed()) && (!f.AlarmsOnly || e.Kind.Alarms()) && (!f.UnacknowledgedOnly || !e.Acknowledged) &&
		(f.Since.IsZero() || !e.At.Before(f.Since)) && (f.Until.IsZero() || e.At.Before(f.Until))
}

func (f Filter) matchText(e Event) bool {
	if f.Text == "" {
		return true
	}
	needle := strings.ToLower(f.Text)
	for _, text := range []string{string(e.Kind), string(e.SubjectKind), e.SubjectID, string(e.Actor), Address(e.SourceIP), e.Summary} {
		if strings.Contains(strings.ToLower(text), needle) {
			return true
		}
	}
	return false
}

func equal[T comparable](want *T, got T) bool { return want == nil || *want == got }

// Address is how an event's source is written: IPv4-mapped IPv6 as IPv4, "" if there is none.
func Address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().WithZone("").String()
}

// Brief is what is known of an event without reading it.
type Brief struct {
	ID           ID
	At           time.Time
	Kind         Kind
	SubjectID    string
	Acknowledged bool
}
