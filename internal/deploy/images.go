package deploy

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Archive is a file with an image.
type Archive struct {
	Path string
	Ref  string // the name that the image has in it, "" if it cannot be read
	Err  string // why not
}

// lookForImages finds which images are loaded, and archives of those that are not.
func (o *Observed) lookForImages(ctx context.Context, s Site, folder string) {
	o.Images = Images{Loaded: map[string]bool{}, Archives: map[string]Archive{}, Folders: folders(folder)}
	if s.Mode == Host || o.Podman.Version == "" || o.Podman.Err != "" {
		return
	}
	out, err := tool(ctx, "", "podman", "images", "--format", "{{.Repository}}:{{.Tag}}")
	if err != nil {
		o.Podman.Err = err.Error()
		return
	}
	for _, ref := range strings.Fields(out) {
		o.Images.Loaded[ref] = true
	}
	for _, v := range s.services() {
		o.Images.Archives[v.Name] = findArchive(o.Images.Folders, v.Name)
	}
}

// folders are where archives are looked for: a folder that was named, else beside this program and
// where a package would have them.
func folders(named string) []string {
	if named != "" {
		return []string{named}
	}
	list := []string{"/usr/share/bty/images"}
	if program, err := os.Executable(); err == nil {
		dir := filepath.Dir(program)
		list = append([]string{filepath.Join(dir, "images"), filepath.Join(filepath.Dir(dir), "images")}, list...)
	}
	return list
}

// architectures are as the names of archives have them.
var architectures = map[string]string{"amd64": "x86_64", "arm64": "arm64"}

// findArchive finds the first that is there. One that cannot be read stands in the way only where it is needed.
func findArchive(dirs []string, name string) Archive {
	for _, dir := range dirs {
		path := filepath.Join(dir, name+"."+architectures[runtime.GOARCH]+".tar")
		ref, err := refOf(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Archive{Path: path, Err: err.Error()}
		}
		return Archive{Path: path, Ref: ref}
	}
	return Archive{}
}

// refOf is the name of the image in an OCI archive, as its index has it.
func refOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return "", errors.New("it is no archive of an image: it has no index.json")
		}
		if err != nil {
			return "", fmt.Errorf("it cannot be read: %w", err)
		}
		if filepath.Clean(h.Name) == "index.json" {
			return refIn(r)
		}
	}
}

func refIn(r io.Reader) (string, error) {
	const most = 1 << 20
	var index struct {
		Manifests []struct{ Annotations map[string]string }
	}
	if err := json.NewDecoder(io.LimitReader(r, most)).Decode(&index); err != nil {
		return "", fmt.Errorf("its index.json cannot be read: %w", err)
	}
	for _, m := range index.Manifests {
		if ref := m.Annotations["org.opencontainers.image.ref.name"]; ref != "" {
			return ref, nil
		}
	}
	return "", errors.New("its image has no name")
}

// checkImages: each image is loaded, or there is an archive with exactly it, or a registry.
func checkImages(o Observed, s Site) (problems []Problem) {
	if s.Mode == Host || o.Podman.Err != "" || o.Podman.Version == "" || IsRegistry(s.Prefix) {
		return nil
	}
	var missing, other, broken []string
	for _, v := range s.services() {
		ref, archive := s.Ref(v.Name), o.Images.Archives[v.Name]
		switch {
		case o.Images.Loaded[ref], archive.Ref == ref:
		case archive.Err != "":
			broken = append(broken, archive.Path+": "+archive.Err)
		case archive.Ref != "":
			other = append(other, fmt.Sprintf("%s holds %s, and %s is needed", archive.Path, archive.Ref, ref))
		default:
			missing = append(missing, ref)
		}
	}
	if len(broken) > 0 {
		problems = append(problems, Problem{"image", "Archives of images that cannot be read: " + strings.Join(broken, "; ") + ".", "Make them anew (make image), or copy them anew."})
	}
	if len(other) > 0 {
		problems = append(problems, Problem{"image", strings.Join(other, "; ") + ".",
			"Use the bty-lab and the images of one build (make image), or name their folder with --images."})
	}
	if len(missing) > 0 {
		problems = append(problems, Problem{"image", fmt.Sprintf("Images that are not loaded, and of which there is no archive in %s: %s.", strings.Join(o.Images.Folders, ", "), strings.Join(missing, ", ")),
			"Name the folder that make image wrote to with --images, or a registry with --image-prefix."})
	}
	return problems
}
