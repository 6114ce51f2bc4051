package pages

import (
	"testing"
)

// rulePages are the pages of rules and of actions on many machines.
var rulePages = []aPage{
	{"rules-empty", "/ui/rules", "No rules yet"},
	{"rule-new", "/ui/rules/new", "Target disk"},
	{"rule-default", "/ui/rules/default", "Default"},
	{"bulk", "/ui/bulk?mac=" + flashed + "&mac=" + fresh, "What to do"},
}

// TestRules makes a rule in a browser, sees what it would change before it is saved, and acts on
// machines that were ticked.
func TestRules(t *testing.T) {
	s := start(t)
	furnish(s)
	tab := s.tab()
	for _, p := range rulePages {
		look(tab, p)
	}
	tab.Go("/ui/rules")
	tab.Click(`a[href="/ui/rules/new"].btn`)
	tab.At("/ui/rules/new")
	tab.Type("#name", "R640 get Debian")
	tab.Type("#product", "*r640*")
	tab.Choose("#target_pick", "largest")
	tab.Choose("#boot_mode", "bty-flash-once")
	tab.Click("#preview")
	tab.Says("main", "1 machine boots otherwise")
	tab.Says("main", fresh)
	tab.Axe()
	tab.Click("#confirm")
	tab.At("/ui/rules?saved=create")
	tab.Says("main", "The rule is added")
	look(tab, aPage{"rules", "/ui/rules", "R640 get Debian"})
	look(tab, aPage{"machine-by-rule", "/ui/machines/" + fresh, "R640 get Debian"})
	tab.Go("/ui/machines/" + fresh)
	tab.Click(".explain summary")
	tab.Says(".explain", "it matches")
	tab.Axe()
	tab.Live()
	s.do("POST", "/api/v1/machines/"+fresh+"/arm", nil)
	tab.Says("#events", "armed") // it was refreshed, and what was open stays open
	tab.Until(`document.getElementById("explain").open`)

	tab.Go("/ui/machines")
	tab.Click("#pick-52-54-00-a0-00-03")
	tab.Click("#pick-52-54-00-a0-00-05")
	tab.Click("#bulk-some")
	tab.Says("h1", "2 machines")
	tab.Click("#a-arm")
	tab.Click("#preview")
	tab.Says("main", "has nothing to arm")
	tab.Axe()
	tab.Click("#confirm")
	tab.Says("main", "1 machine changed, 0 unchanged, 1 refused")
	tab.Axe()
	tab.Clean()
}
