package pxe

import (
	"net/http"
	"path/filepath"

	"bty/internal/web/serve"
)

type stored struct {
	Name string `json:"name"`
	Size int64  `json:"size_bytes"`
	Path string `json:"path"`
}

// putBoot stores a boot file. It appears under its name when it is whole and on the disk, and
// takes the place of what was there in one step.
func (c Config) putBoot(w http.ResponseWriter, r *http.Request) error {
	name, err := bareName(r)
	if err != nil {
		return err
	}
	limit := c.Shelf.Limit()
	file, err := c.Shelf.Put(r.Context(), name, r.ContentLength, serve.Upload(w, r, limit), c.Client(r))
	if err != nil {
		return serve.UploadFault(err, name, limit)
	}
	serve.JSON(w, http.StatusOK, stored{name, file.Size, filepath.Join(c.Files.Boot, name)})
	return nil
}
