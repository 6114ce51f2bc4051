package containers

import (
	"strings"
	"testing"
	"time"

	"bty/internal/testenv/guide"
)

// newImages is the folder of docs/upgrade.md.
const newImages = "/srv/bty-" + newRelease

// What bty-lab deploy has made is upgraded with the archives of another build, left alone by deploy, brought
// back, and purged without a trace of either release.
func TestUpgradeDeployed(t *testing.T) {
	h := upgrading{boot(t)}
	h.host.giveLab()
	h.run("podman", "info")
	before := h.listing()
	h.run("bty-lab", "deploy", "--images", imagesInside)
	h.ready() // deploy leaves it asleep
	was := h.run("podman", "inspect", "--format={{.ImageName}}", "bty-web")
	h.release(newRelease, "bty/cmd/bty-web")
	h.run("mkdir", newImages)
	for _, daemon := range daemons {
		reference := "localhost/" + daemon + ":" + newRelease
		h.run("podman", "save", "--quiet", "--format=oci-archive", "--output="+newImages+"/"+daemon+".x86_64.tar", reference)
		h.run("podman", "rmi", reference)
	}
	// Back at once, as the document has it, then for good.
	h.run("mkdir", "-p", "/root/bty")
	guide.Test(t, repo, "upgrade-deployed", 2*time.Minute, h.reader)
	if now := h.run("podman", "inspect", "--format={{.ImageName}}", "bty-web"); now != was {
		t.Errorf("%s runs, not %s", now, was)
	}
	h.deploysNothing()
	said, code := h.btyLab("upgrade", "--timeout=90s", "--images="+newImages)
	h.expect(said, code, 0, "to "+newRelease, "no row was lost")
	if now := h.run("podman", "inspect", "--format={{.ImageName}}", "bty-web"); now != "localhost/bty-web:"+newRelease {
		t.Errorf("%s runs", now)
	}
	h.deploysNothing()
	if image := h.run("podman", "inspect", "--format={{.ImageName}}", "bty-sniff"); !strings.HasSuffix(image, newRelease) {
		t.Errorf("the sniffer runs %s", image)
	}
	h.run("bty-lab", "purge", "--yes")
	h.run("rm", "-r", newImages)
	h.isPurged(before)
}
