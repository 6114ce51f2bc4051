package wire

import "time"

// Diagnosis is what the doctor says: GET /api/v1/doctor.
type Diagnosis struct {
	At       time.Time       `json:"at"`
	Findings []Finding       `json:"findings"` // the worst first
	Servers  []DHCPServer    `json:"servers"`
	Site     DoctorSite      `json:"site"`
	Snippets []DoctorSnippet `json:"snippets"` // those that findings name, filled in
}

// Severity says how bad a finding is.
type Severity string

const (
	SeverityOK      Severity = "ok"
	SeverityNote    Severity = "note"    // nothing is wrong, but it is good to know
	SeverityWarning Severity = "warning" // works, or works for some, but somebody should look
	SeverityError   Severity = "error"   // machines cannot be flashed
)

// Finding is one thing that the doctor found.
type Finding struct {
	ID       string   `json:"id"` // of a closed set: docs/doctor.md explains each
	Severity Severity `json:"severity"`
	// Subject is what it is about: a kind of thing (machine, server, clients, host) and which of them.
	SubjectKind string   `json:"subject_kind"`
	Subject     string   `json:"subject"`
	Title       string   `json:"title"`              // in two or three words
	What        string   `json:"what"`               // happened
	Why         string   `json:"why"`                // it matters
	Next        string   `json:"next"`               // what to do
	Machines    []string `json:"machines,omitempty"` // that were seen to suffer from it, the first few
	Snippets    []string `json:"snippets,omitempty"` // what mends it in the common DHCP servers
	Page        string   `json:"page,omitempty"`     // section of the pages where it can be mended
}

// Key tells a finding from all others that there can be at one time.
func (f Finding) Key() string { return f.ID + " " + f.Subject }

// DHCPServer is a server that was seen to answer machines.
type DHCPServer struct {
	Server string      `json:"server"` // its identifier (54), else the address that it answers from
	From   string      `json:"from"`   // source address of its packets
	Link   string      `json:"link"`
	VLAN   uint16      `json:"vlan,omitempty"`
	Leases bool        `json:"leases"` // it gives addresses; a proxy adds boot options alone
	Last   time.Time   `json:"last"`   // when it answered last
	Offers []DHCPOffer `json:"offers"`
}

// DHCPOffer is what a server tells one kind of client to load.
type DHCPOffer struct {
	Client     string    `json:"client"`      // in words
	Class      string    `json:"class"`       // 60
	TFTPServer string    `json:"tftp_server"` // 66, or sname
	Bootfile   string    `json:"bootfile"`    // 67, or file
	NextServer string    `json:"next_server"` // siaddr
	Machines   int       `json:"machines"`    // that were told so
	Last       time.Time `json:"last"`
}

// DoctorSite is what the snippets are filled in with.
type DoctorSite struct {
	Address string `json:"address"`
	Port    int    `json:"port"`
	LAN     string `json:"lan"`
}

// DoctorSnippet is a text for somebody's DHCP server.
type DoctorSnippet struct {
	ID      string   `json:"id"`
	Product string   `json:"product"`
	Title   string   `json:"title"`
	Steps   []string `json:"steps"`
	Body    string   `json:"body"`
}
