package contract

// pending are the cases of routes that are being built, by parts of their names. The list ends
// with them.
var pending = []string{
	"/workers/backups", "/ui/netboot", "/ui/backups", "GET /ui/events", "/ui/events/acknowledge", "/ui/settings", "GET /ui/account",
	"GET /events/machines", "GET /events/workers", "POST /ui/machines/",
	"TestSection03_Form", "TestSection07_AcknowledgeForm", "TestSection07_MachinesStream", "TestSection07_WorkersStream",
	"TestSection08_Backups", "TestSection10_UpstreamForm", "TestSection10_BackupForm", "TestSection10_DisplayForm", "TestSection10_ConfigForm",
	"24_bad_upload", "31_backup", "30_labels/form",
}
