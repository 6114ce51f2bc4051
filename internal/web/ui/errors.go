package ui

import (
	"net/http"
	"strconv"
)

// trouble is what an error page shows.
type trouble struct {
	Status int
	Text   string
	Next   string // what to do about it
}

// nextSteps are what a reader can do about a failure, by status.
var nextSteps = map[int]string{
	http.StatusBadRequest:            "Check the address, or start again from the list.",
	http.StatusUnauthorized:          "Log in again: /ui/login is the page for it.",
	http.StatusForbidden:             "This needs more rights than you are signed in with.",
	http.StatusNotFound:              "It may have been deleted or renamed. The lists show what there is.",
	http.StatusMethodNotAllowed:      "Open the page from the navigation and use its buttons.",
	http.StatusConflict:              "Somebody changed it, or it is in use. Look at it again, then repeat.",
	http.StatusRequestEntityTooLarge: "Send less at one time.",
	http.StatusUnprocessableEntity:   "Go back, correct the field, send it again.",
	http.StatusTooManyRequests:       "Wait a minute, then try again.",
	http.StatusServiceUnavailable:    "Try again in a moment.",
	http.StatusInsufficientStorage:   "Free space on the disk of the state folder, then repeat it.",
}

// errorPage tells a browser what went wrong, in the layout of every other page.
func (s surface) errorPage(w http.ResponseWriter, r *http.Request, status int, text string) error {
	next, known := nextSteps[status]
	if !known {
		next = "The journal has the cause: journalctl -u bty-web"
	}
	return s.show(w, r, view{Page: "error", Title: strconv.Itoa(status) + " " + http.StatusText(status), Status: status,
		Data: trouble{status, text, next}})
}
