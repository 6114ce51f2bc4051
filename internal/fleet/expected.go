package fleet

import "time"

// expectation is how long a step usually takes at most, and what to tell the one who waits.
type expectation struct {
	within time.Duration
	causes []string
	try    string
}

// expected has an entry for each step that can be waited for.
var expected = map[StageName]expectation{
	StageNBP: {30 * time.Second, []string{
		"The DHCP server names no bootfile (option 67) or no boot server (66), or another DHCP server answered first.",
		"A firewall between machine and appliance keeps TFTP (UDP port 69) or HTTP away.",
		"The boot program that the DHCP server names is not in the boot folder.",
	}, "Open the Netboot page: it says which boot programs there are and whether TFTP answers, and has the text for your DHCP server."},
	StageScript: {60 * time.Second, []string{
		"iPXE has no driver for this network card, or does not get an address itself.",
		"iPXE reaches the appliance by TFTP, but not its HTTP port.",
		"The boot program is a build with a script of its own that leads elsewhere.",
		"Secure Boot refuses the boot program.",
	}, "Look at its screen: iPXE says what it tries. Try the other boot program (snponly instead of ipxe, or the other way round)."},
	StageKernel: {30 * time.Second, []string{
		"iPXE reached the appliance for its script but cannot fetch files from it: another address or port is in the URLs than the one the machine reaches.",
		"The file of the live environment was replaced or deleted in this moment.",
		"The machine was switched off or reset.",
	}, "Look at its screen: iPXE names the URL that it asks for and the error. Open that URL from another machine of the same network."},
	StageInitrd: {60 * time.Second, []string{
		"The network between machine and appliance loses packets, or is very slow: the initrd has tens of megabytes.",
		"The driver of this network card in iPXE hangs at large downloads.",
		"The machine was switched off or reset.",
	}, "Look at its screen: iPXE shows how far the download is. If it stands still, set another boot program for this machine (snponly instead of ipxe, or the other way round)."},
	StageInventory: {3 * time.Minute, []string{
		"The kernel of the live environment has no driver or no firmware for the network card.",
		"The network port is slow to pass traffic after the link came up (spanning tree without portfast).",
		"No DHCP lease for the live environment: the pool is exhausted.",
		"The kernel panicked, or this machine is of another architecture than the kernel.",
	}, "Look at its screen or serial console (ttyS0 and ttyS1, 115200): the live environment says what it waits for."},
	StagePlan: {3 * time.Minute, []string{
		"The kernel of the live environment has no driver or no firmware for the network card.",
		"The network port is slow to pass traffic after the link came up (spanning tree without portfast).",
		"No DHCP lease for the live environment: the pool is exhausted.",
		"The live environment reaches the appliance under another address than iPXE did.",
	}, "Look at its screen or serial console (ttyS0 and ttyS1, 115200): the live environment says what it waits for."},
	StageWork: {60 * time.Second, []string{
		"The image's server does not answer, or only slowly.",
		"The target disk is not there, or its serial is another one than the one that is set.",
		"A live environment of an older release reports no progress; it may be writing.",
	}, "Look at its screen. Compare the target disk's serial on this page with the disks that the machine reported, and try to fetch the image from its source."},
	StageEnd: {30 * time.Minute, []string{
		"The image is large, or the disk or the network is slow: the progress above shows whether it still moves.",
		"The machine lost power or its network while it wrote. The disk then does not boot, and the next boot writes it again.",
		"The disk is dying: writes hang in it.",
	}, "If the progress stands still, look at the machine's screen; then switch it off and on: it starts over, at most five times."},
	StageNext: {10 * time.Minute, []string{
		"The machine boots its disk first now, so that it asks no more: that is fine if it runs.",
		"The self test of a server with much memory takes its time.",
		"It does not boot at all, or waits in its firmware's setup.",
	}, "See whether the machine runs what was flashed. If it must be flashed again later, put network boot first in its firmware's boot order."},
}
