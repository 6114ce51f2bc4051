package image

import _ "embed"

// gpl2 is the licence of iPXE in full; Debian's copyright file points to a host's copy of it.
//
//go:embed licences/GPL-2
var gpl2 []byte
