package deploy

import "slices"

// Service is one daemon with all that belongs to it. Whatever needs to know which services, units,
// ports or images there are asks this list; a test compares it with the folders of units and Quadlets.
type Service struct {
	Name    string   // of the program, the image, the container
	Unit    string   // that runs it
	Enable  []string // what is enabled and started to have it
	Units   []string // what else comes and goes with it
	Ports   []Port
	Leave   bool     // may be left out
	Volumes []string // of its container
	Extra   string   // what it is for, for people
	Request string   // path of the HTTP request that is answered when it works, "" if it speaks no HTTP
}

// Port is one that a service listens on.
type Port struct {
	Network string // tcp or udp
	Number  int
	Socket  string // the unit that listens
}

// Services are all there are, in the order in which they are started.
func Services() []Service {
	return []Service{
		{Name: "bty-web", Unit: "bty-web.service", Enable: []string{"bty-web.socket"},
			Units: []string{"bty-control.socket", "bty-report.socket", "bty-backup.timer", "bty-backup.service"},
			Ports: []Port{{"tcp", 8080, "bty-web.socket"}}, Volumes: []string{"bty-data", "bty-boot"}, Extra: "pages, API, boot files", Request: "/readyz"},
		{Name: "bty-tftp", Unit: "bty-tftp.service", Enable: []string{"bty-tftp.socket"},
			Ports: []Port{{"udp", 69, "bty-tftp.socket"}}, Leave: true, Extra: "boot programs over TFTP"},
		{Name: "bty-cache", Unit: "bty-cache.service", Enable: []string{"bty-cache.socket"}, Units: []string{"bty-cache-control.socket"},
			Ports: []Port{{"tcp", 3000, "bty-cache.socket"}}, Leave: true, Volumes: []string{"bty-cache"}, Extra: "image cache", Request: "/healthz"},
		{Name: "bty-sniff", Unit: "bty-sniff.service", Extra: "watches DHCP"}, // bty-web.socket brings it
	}
}

// Units are the units of all services.
func Units() (names []string) {
	for _, s := range Services() {
		names = append(names, s.all()...)
	}
	return append(names, "bty.slice")
}

// volumeUnits are the services that Podman makes of the volumes' Quadlets.
func volumeUnits() (names []string) {
	for _, v := range volumes() {
		names = append(names, v+"-volume.service")
	}
	return names
}

// volumes are all that hold state.
func volumes() (names []string) {
	for _, s := range Services() {
		names = append(names, s.Volumes...)
	}
	return names
}

// all are the units of a service, those that listen before those that serve.
func (s Service) all() []string { return slices.Concat(s.Enable, s.Units, []string{s.Unit}) }

// services are those of a site.
func (s Site) services() []Service {
	return slices.DeleteFunc(Services(), func(v Service) bool { return !s.Has(v.Name) })
}

// leftOut are the others.
func (s Site) leftOut() []Service {
	return slices.DeleteFunc(Services(), func(v Service) bool { return s.Has(v.Name) })
}
