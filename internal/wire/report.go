package wire

import "time"

// Transfer is the body of POST /transfers on the report socket: one finished TFTP transfer.
type Transfer struct {
	Client   string        `json:"client"` // address without port
	File     string        `json:"file"`   // as asked
	Served   string        `json:"served"` // what was sent: a file's name or "script"
	Bytes    int64         `json:"bytes"`
	Duration time.Duration `json:"duration_ns"`
	Error    string        `json:"error,omitempty"` // empty: acknowledged to the last block
}

// Client is the answer to GET /clients/{address} on the report socket.
type Client struct {
	IPXE bool `json:"ipxe"` // a recent sighting of this address had user class (77) "iPXE"
}
