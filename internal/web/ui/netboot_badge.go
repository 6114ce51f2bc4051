package ui

import (
	"bty/internal/job"
	"bty/internal/release"
	"bty/internal/tftp/probe"
)

var jobTones = map[job.Status]string{job.Queued: "quiet", job.Running: "info", job.Completed: "good", job.Cancelled: "warn", job.Failed: "bad"}

func jobBadge(s job.Status) badge { return badge{Text: string(s), Tone: jobTones[s]} }

// readiness says whether a machine can get all the way into a live environment.
func readiness(s release.Status) badge {
	if s.IsReady() {
		return badge{Text: "ready", Tone: "good", Title: "There is a boot program and a live environment."}
	}
	return badge{Text: "not ready", Tone: "bad", Title: "A boot program or a live environment is missing: machines boot their own disk."}
}

func tftpBadge(a probe.Answer, asked bool) badge {
	switch {
	case !asked:
		return badge{Text: "being asked", Tone: "quiet"}
	case a.Outcome == probe.Serves:
		return badge{Text: "answers", Tone: "good", Title: "It serves bty's script."}
	case a.Outcome == probe.Refuses:
		return badge{Text: "another server", Tone: "warn", Title: "A TFTP server answers that is not bty-tftp. It must have the boot programs itself."}
	}
	return badge{Text: "no answer", Tone: "bad", Title: "systemctl enable --now bty-tftp.socket starts it. UEFI HTTP Boot needs no TFTP."}
}
