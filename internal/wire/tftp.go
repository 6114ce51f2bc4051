package wire

// TFTP is GET /api/v1/tftp: the TFTP daemon, as far as this server can see it.
type TFTP struct {
	Known    bool         `json:"known"`   // systemd was asked and told
	Reason   *string      `json:"reason"`  // why it is not known
	Refused  *string      `json:"refused"` // why acts cannot be done from here; null: they can be tried
	Socket   *Unit        `json:"socket"`  // null: not known
	Service  *Unit        `json:"service"`
	Probe    *TFTPProbe   `json:"probe"` // null while nobody was asked
	Commands TFTPCommands `json:"commands"`
}

// Unit is a unit in the words of systemd.
type Unit struct {
	Name     string `json:"name"`
	Load     string `json:"load_state"`
	Active   string `json:"active_state"`
	Sub      string `json:"sub_state"`
	Enabled  string `json:"unit_file_state"`
	Since    Time   `json:"since"`
	Result   string `json:"result"`
	Restarts int    `json:"restarts"`
	Memory   uint64 `json:"memory_bytes"` // 0: nobody counts
}

// TFTPProbe is what became of asking the TFTP server for a file, as machines do.
type TFTPProbe struct {
	Host    string  `json:"host"`
	Port    int     `json:"port"`
	Outcome string  `json:"outcome"` // serves, refuses, silent
	Detail  *string `json:"detail"`
	At      Time    `json:"at"`
}

// TFTPCommands do on the host, as root, what the routes do.
type TFTPCommands struct {
	Start   string `json:"start"`
	Stop    string `json:"stop"`
	Restart string `json:"restart"`
}
