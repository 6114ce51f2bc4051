package systemd

import (
	"net/http"
	neturl "net/url"
	"strings"
	"testing"
	"time"
)

// The timer's service reaches the control socket as nobody with one group, and asks only: the schedule
// in the settings decides.
func TestBackupTimer(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		h.enable()
		if timers := h.run("systemctl", "list-timers", "--no-pager", "bty-backup.timer"); !strings.Contains(timers, "bty-backup.service") {
			t.Errorf("no timer is waiting:\n%s", timers)
		}
		h.run("systemctl", "start", "bty-backup.service")
		h.backupSays("the schedule of backups is off; switch it on in the settings")
		if h.property("bty-web.service", "ActiveState") != "active" {
			t.Error("the question did not start bty-web")
		}

		client := h.signIn("bty-lab")
		answer, err := client.PostForm(url("/ui/settings/backup"), neturl.Values{"backup_enabled": {"1"}, "backup_cadence": {"daily"}, "backup_retention_count": {"3"}})
		if err != nil || answer.StatusCode != http.StatusSeeOther {
			t.Fatal(answer, err)
		}
		answer.Body.Close()
		// The host was off for three hours: what was due meanwhile is made up for when the timer starts.
		h.dropIn("bty-backup.timer", "[Timer]\nRandomizedDelaySec=0\nFixedRandomDelay=no\nAccuracySec=10ms")
		h.run("systemctl", "stop", "bty-backup.timer")
		h.run("touch", "--date=3 hours ago", "/var/lib/systemd/timers/stamp-bty-backup.timer")
		h.run("systemctl", "start", "bty-backup.timer")
		for end := time.Now().Add(20 * time.Second); !strings.Contains(h.backupLog(), " made: "); time.Sleep(100 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the timer made no backup:\n%s", h.backupLog())
			}
		}
		h.run("systemctl", "start", "bty-backup.service")
		h.backupSays("no backup is due before")
		if made := strings.Fields(h.run("ls", "/var/lib/bty/backups")); len(made) != 1 {
			t.Errorf("backups: %v", made)
		}

		// With the appliance stopped nothing is opened for a question.
		h.run("systemctl", "stop", "bty-web.socket", "bty-web.service")
		for _, unit := range []string{"bty-backup.timer", "bty-control.socket", "bty-report.socket"} {
			h.await(10*time.Second, unit, "ActiveState", "inactive") // it goes with bty-web.socket
		}
		if _, err := h.try("systemctl", "start", "bty-backup.service"); err == nil || h.property("bty-control.socket", "ActiveState") != "inactive" {
			t.Errorf("the service has opened the control socket again: %v", err)
		}
	})
}

func (h *host) backupLog() string {
	h.t.Helper()
	h.run("journalctl", "--sync")
	return h.run("journalctl", "--no-pager", "--quiet", "--output=cat", "SYSLOG_IDENTIFIER=bty-lab", "_SYSTEMD_UNIT=bty-backup.service")
}

func (h *host) backupSays(want string) {
	h.t.Helper()
	if log := h.backupLog(); !strings.Contains(log, want) {
		h.t.Errorf("the backup service has not said %q:\n%s", want, log)
	}
}
