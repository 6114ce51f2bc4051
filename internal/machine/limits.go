package machine

import "regexp"

// What an intent may hold at most, whoever sets it.
const (
	MaxLabels = 16
	MaxLabel  = 64  // characters
	MaxSerial = 128 // characters
)

// What labels and drives look like.
var (
	LabelPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._-]*$`)
	DrivePattern = regexp.MustCompile(`^0x[0-9a-fA-F]{1,2}$`)
)
