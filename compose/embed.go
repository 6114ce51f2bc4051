// Package compose has the files for those who run the appliance with podman-compose.
package compose

import "embed"

// Files are the compose file, and an example of the variables that it takes.
//
//go:embed compose.yml dotenv.example
var Files embed.FS
