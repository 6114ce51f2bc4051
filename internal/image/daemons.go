package image

// daemon is what is particular to the image of one.
type daemon struct {
	name, title, summary string
	boots                bool     // has the boot programs
	pages                bool     // has the pages, with files of others in them
	volume               string   // what it keeps, if anything
	folders              []File   // it finds these
	ports                []string // when it listens by itself
	env                  []string
}

// stateDir and cacheDir are internal/config's defaults.
const (
	stateDir = "/var/lib/bty"
	cacheDir = "/var/cache/bty"
)

// daemons are those that have an image.
func daemons() []daemon {
	return []daemon{
		{
			name: "bty-web", title: "bty: pages, API, boot files",
			summary: "Server of the bty appliance, which puts disk images on bare machines over the network",
			boots:   true, pages: true, volume: stateDir, ports: []string{"8080/tcp"},
			// A new volume gets these with their owner. boot/ is there for the TFTP server from the start.
			folders: []File{{Path: stateDir + "/", Mode: 0o750, Own: true}, {Path: stateDir + "/boot/", Mode: 0o750, Own: true}},
		},
		{
			name: "bty-tftp", title: "bty: TFTP for boot files",
			summary: "Read-only TFTP server of the bty appliance for boot programs",
			boots:   true, ports: []string{"69/udp"},
			folders: []File{{Path: stateDir + "/boot/", Mode: 0o755}},
			// Neither a published port nor a container without a network knows a second port.
			env: []string{"BTY_TFTP_MODE=single-port"},
		},
		{
			name: "bty-cache", title: "bty: image cache",
			summary: "Fetches disk images once for all machines of the bty appliance",
			volume:  cacheDir, ports: []string{"3000/tcp"},
			folders: []File{{Path: cacheDir + "/", Mode: 0o750, Own: true}, {Path: stateDir + "/", Mode: 0o755}},
		},
		{
			name: "bty-sniff", title: "bty: watches DHCP",
			summary: "Watches DHCP for the bty appliance and answers nothing",
		},
	}
}

// Names are those of the images.
func Names() (names []string) {
	for _, d := range daemons() {
		names = append(names, d.name)
	}
	return names
}
