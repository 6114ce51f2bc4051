package contract

// pending are the cases of routes that are being built, by parts of their names. The list ends with
// them.
var pending = []string{"GET /ui/backups"}
