package wire

// Rows is the answer of GET /rows on the control socket: the names of the rows of the database, by
// table, so that nobody's row is lost unseen by an upgrade.
type Rows struct {
	Version string              `json:"version"`
	Schema  uint32              `json:"schema"`
	Tables  map[string][]string `json:"tables"`
}
