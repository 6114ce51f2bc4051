package release

import (
	"net/url"
	"regexp"
	"strings"

	"bty/internal/fault"
)

// Latest is the tag that means the version of artifacts that this server wants: never the newest
// release that somebody else has made since.
const Latest = "latest"

// Upstream is where releases come from.
type Upstream struct {
	Repo   string // owner/name
	Stored bool   // the operator set Repo on the Settings page
	URL    string // of the folder of a release, with {repo} and {tag}
}

var (
	tagPattern  = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	repoPattern = regexp.MustCompile(`^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$`)
)

// CheckTag refuses what cannot be the tag of a release.
func CheckTag(tag string) error {
	if !tagPattern.MatchString(tag) || strings.Trim(tag, ".") == "" || len(tag) > 128 {
		return fault.New(fault.Rejected, "invalid release tag '%.128s': it has letters, digits, dots, underscores and hyphens only", tag)
	}
	return nil
}

// base is the URL of the folder of a release.
func (u Upstream) base(version, tag string) (string, error) {
	if tag == Latest {
		tag = "v" + version
	}
	if !repoPattern.MatchString(u.Repo) {
		return "", fault.New(fault.Rejected, "the repository %q is not owner/name; correct it on the Settings page or in BTY_BOOT_RELEASE_REPO", u.Repo)
	}
	filled := strings.TrimRight(strings.NewReplacer("{repo}", u.Repo, "{tag}", tag).Replace(u.URL), "/")
	parsed, err := url.Parse(filled)
	if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" && parsed.Scheme != "file" {
		return "", fault.New(fault.Rejected, "[netboot] release_url must be an http://, https:// or file:// URL, with {repo} and {tag} where they belong")
	}
	return filled, nil
}
