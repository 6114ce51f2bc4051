// Package ui is the surface for people: pages rendered on the server, kept up to date by the
// live stream. Every page works without a script; nothing comes from another origin.
//
// # A page
//
// A page is a Go file and a template of the same name: images.go and pages/images.html. The Go
// file has a method that registers its routes, which registrars in ui.go names, and handlers that
// parse, call a use case and end in one of these:
//
//   - show(w, r, view{...}) renders a page: its template's "content", inside the layout. A page
//     may also define "actions" (buttons right of the heading) and "intro" (one line under it).
//   - fragment(w, r, "machines", "row", data) renders one defined template of a page alone.
//   - done(w, r, "/ui/images", "added", err) ends a form: 303 to the page, with ?saved=added, or
//     with ?error=... if err is not nil. view.Saved says in words what each key means.
//   - confirm(w, r, confirmation{...}) asks before something is destroyed. It is the page of a
//     GET, whose form POSTs; a link to it with data-dialog opens it as a dialog.
//
// readForm reads a form with its bounds. Whatever a handler returns as an error becomes a page
// for a browser and JSON for everybody else. The navigation shows an entry once its route exists.
//
// # A list
//
// A listSpec names what its URL may say: columns to sort by, filters, other parameters. read gives
// the list's state with everything unknown replaced by the default; cut gives the rows of the
// page. In the template, inside an element with id "list":
//
//	{{template "search" .Data.List}}                    the search box, before the list
//	{{template "column" (column .Data.List "mac" "MAC")}}  a heading that sorts
//	{{template "pager" .Data.List}}                     page and page size
//	{{template "empty" (empty "Nothing here." "What to do first." "/ui/x" "Do it")}}
//
// # Small parts
//
// Functions: stamp and ago (times in the display zone), size, rate, percent, icon "name" (a file
// of icons/), asset "bty.css" (a URL that changes with the content), linkify (MACs and URLs in a
// summary), mode and state (badges). Templates: "progress" (a *fleet.Progress with its MAC),
// "events" (eventList: the last events of a subject), "copy" (a button that copies its text),
// "flash" (success or failure).
//
// # Staying up to date
//
// live.js holds the page's only EventSource. An element with data-live="machine" (any machine),
// data-live="machine/52:54:00:00:00:01" or several such words is refreshed when an event of that
// subject comes: it gets the htmx trigger "refresh" and says with hx-get where it comes from.
// What is costly says with data-live-every how many milliseconds lie between two of them.
// What changes without an event says with data-live-poll every how many milliseconds it is asked for.
// An element with data-progress="MAC" is updated from progress messages without a request. An
// element with data-live-new="machine.discovered" ("*" is any) counts such events and shows itself, so that
// nothing moves under the reader's hand.
package ui
