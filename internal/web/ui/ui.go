package ui

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"bty/internal/access"
	"bty/internal/backup"
	"bty/internal/fleet"
	"bty/internal/health"
	"bty/internal/imagecache"
	"bty/internal/ledger"
	"bty/internal/library"
	"bty/internal/machinelog"
	"bty/internal/service"
	"bty/internal/settings"
	"bty/internal/web/auth"
	"bty/internal/web/openapi"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

// Config is what the surface works with.
type Config struct {
	Serve    serve.Adapter
	Fleet    *fleet.Fleet
	Library  *library.Library
	Backups  *backup.Manager
	Book     ledger.Book
	Logs     *machinelog.Logs
	Cache    *imagecache.Keeper
	Auth     *auth.Auth
	Tokens   *access.Tokens
	Settings *settings.Settings
	Client   func(*http.Request) netip.Addr
	Now      func() time.Time
	Zone     func() *time.Location // in which times are shown; nil is UTC
	Version  string
	Notices  func() []string // shown on every page: what is wrong with the installation
	Health   func() []health.Finding
	Doctor   func() wire.Diagnosis
	Netboot  Netboot
	TFTP     *service.TFTP
	// Operations are all routes of the server, for the page that explains them.
	Operations func() []openapi.Operation
}

// surface is the Config with its pages.
type surface struct {
	Config
	pages  map[string]page
	static *static
	nav    *[]navEntry // of the routes that there are
}

// registrars add the routes of each page.
var registrars = []func(surface, routes){
	surface.sessionRoutes,
	surface.dashboardRoutes,
	surface.machinesRoutes,
	surface.machineRoutes,
	surface.eventsRoutes,
	surface.netbootRoutes,
	surface.doctorRoutes,
	surface.tftpRoutes,
	surface.settingsRoutes,
	surface.accountRoutes,
	surface.backupRoutes,
	surface.imagesRoutes,
	surface.cacheRoutes,
	surface.apiRoutes,
	surface.rulesRoutes,
	surface.bulkRoutes,
}

// Register adds the routes. It returns how a browser is told what no route of ours could tell it.
func Register(mux serve.Mux, c Config) serve.Page {
	s := newSurface(c)
	s.Serve.Page = s.errorPage
	r := routes{mux: mux, s: s}
	mux.Handle("GET /{$}", http.RedirectHandler("/ui/login", http.StatusSeeOther))
	mux.Handle("GET /ui", http.RedirectHandler("/ui/dashboard", http.StatusSeeOther))
	mux.Handle("GET /static/{path...}", s.Serve.Do(serve.Open, s.static.serve))
	for _, register := range registrars {
		register(s, r)
	}
	return s.errorPage
}

func newSurface(c Config) surface {
	s := surface{Config: c, static: shipped(), nav: new([]navEntry)}
	if s.Zone == nil {
		s.Zone = func() *time.Location { return time.UTC }
	}
	s.pages = s.book()
	return s
}

// routes takes the routes of the pages.
type routes struct {
	mux serve.Mux
	s   surface
}

// open adds a route for everybody.
func (r routes) open(pattern string, h serve.Handler) {
	r.mux.Handle(pattern, r.s.Serve.Do(serve.Open, h))
}

// own adds a route for who is signed in. Everybody else is led to the sign-in page.
func (r routes) own(pattern string, h serve.Handler) {
	r.open(pattern, r.s.signedIn(h))
	r.s.offer(strings.TrimPrefix(pattern, "GET "))
}

// navEntry is one entry of the navigation.
type navEntry struct{ Section, Label string }

func (e navEntry) Path() string { return "/ui/" + e.Section }

// sections are the entries of the navigation in their order.
var sections = []navEntry{
	{"dashboard", "Dashboard"}, {"machines", "Machines"}, {"images", "Images"}, {"rules", "Rules"},
	{"netboot", "Netboot"}, {"events", "Events"}, {"backups", "Backups"}, {"settings", "Settings"}, {"account", "Account"},
}

// has reports whether a section's page has a route.
func (s surface) has(section string) bool {
	return slices.ContainsFunc(*s.nav, func(e navEntry) bool { return e.Section == section })
}

// offer puts a section into the navigation once its page has a route.
func (s surface) offer(path string) {
	shown := map[string]bool{path: true}
	for _, e := range *s.nav {
		shown[e.Path()] = true
	}
	*s.nav = nil
	for _, e := range sections {
		if shown[e.Path()] {
			*s.nav = append(*s.nav, e)
		}
	}
}
