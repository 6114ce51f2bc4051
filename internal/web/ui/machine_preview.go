package ui

import "net/http"

// previewMachine says what the assignment form would change about the next boot.
func (s surface) previewMachine(w http.ResponseWriter, r *http.Request) error {
	mac, err := typedMAC(r)
	if err != nil {
		return err
	}
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	here := "/ui/machines/" + mac.String()
	mode := form.Get("boot_mode")
	want, err := s.typedIntent(mac, form)
	if err != nil {
		return done(w, r, here, "", err)
	}
	preview, err := s.Fleet.PreviewSave(mac, want)
	if err != nil {
		return err
	}
	d, err := s.differencesOf(preview)
	if err != nil {
		return err
	}
	form.Set("boot_mode", mode)
	return s.showPreview(w, r, "machines", previewPage{What: "Save " + mac.String() + "?", Differences: d, Action: here, Hidden: form, Button: "Save", Cancel: here})
}
