package pages

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv/browser"
)

// The operator backs up, changes something, and goes back to the backup from the page; then the
// other way with a file. The page shows what comes of it without being loaded again.
func TestBackUpAndRestore(t *testing.T) {
	s := start(t)
	const kept, later = "52:54:00:c0:00:01", "52:54:00:c0:00:02"
	s.do("GET", "/pxe/"+kept, nil)
	tab := s.tab()
	tab.Allow("[object Event]") // the live stream ends with the server that made it
	tab.Look(browser.Desktop)
	tab.Go("/ui/backups")
	tab.Says("#now", "There is no backup yet")
	tab.Axe()
	tab.Click(".page-head .actions button")
	tab.Says(".notice.good", "The backup has begun")
	tab.Live()
	tab.Until(`document.querySelectorAll("#now tbody tr").length === 1 && document.getElementById("now").textContent.includes("verified")`)
	tab.Go("/ui/backups")
	tab.Says("main", "backup.created")

	s.do("GET", "/pxe/"+later, nil)
	tab.Click(`#now a[href$="/restore"]`)
	tab.Says("#dialog", "1 machine, 0 images")
	tab.Axe()
	tab.Click("#dialog .btn-danger")
	tab.At("/ui/backups?saved=restored")
	tab.Says("#now", "Restored from")
	tab.Until(`document.querySelectorAll("#now tbody tr").length === 2`) // the safety backup
	tab.Go("/ui/machines")
	tab.Says("#list", kept)
	if tab.Count("#list tbody tr") != 1 {
		t.Error("the machine that came later is still there")
	}

	// Forward again, from the file of the replaced database.
	replaced, _ := filepath.Glob(filepath.Join(s.state, "bty.db.before-restore-*"))
	if len(replaced) != 1 {
		t.Fatalf("kept: %v", replaced)
	}
	tab.Go("/ui/backups")
	tab.Upload("#database", replaced[0])
	tab.Click(`form[action$="/ui/backups/restore"] button`)
	tab.At("/ui/backups?saved=restored")
	tab.Says("#now", "Restored from")
	s.do("GET", "/machines/"+later, nil)

	garbage := filepath.Join(t.TempDir(), "bty.db")
	if err := os.WriteFile(garbage, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	tab.Go("/ui/backups")
	tab.Upload("#database", garbage)
	tab.Click(`form[action$="/ui/backups/restore"] button`)
	tab.Says(".notice.bad", "nothing was changed")
	tab.Upload("#bundle", garbage)
	tab.Click(`form[action$="/import"] button`)
	tab.Says(".notice.bad", "not an inventory bundle")

	tab.Click(`#now tbody tr:last-child a[href$="/delete"]`)
	tab.Says("#dialog", "It is gone for good")
	tab.Click("#dialog .btn-danger")
	tab.Says(".notice.good", "The backup was deleted")
	for _, view := range browser.Views {
		tab.Look(view)
		tab.Axe()
	}
	tab.Clean()
}

// furnishBackups makes two backups and switches the schedule on.
func furnishBackups(s *server) {
	s.Helper()
	s.do("POST", "/ui/settings/backup", url.Values{"backup_enabled": {"1"}, "backup_cadence": {"daily"}, "backup_retention_count": {"14"}})
	for _, trigger := range []string{"scheduled", "manual"} {
		s.do("POST", "/workers/backups", map[string]any{"trigger": trigger})
	}
	for end := time.Now().Add(20 * time.Second); strings.Count(s.do("GET", "/workers/backups", nil), "completed") < 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatal("the backups are not made")
		}
	}
}
