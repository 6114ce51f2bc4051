#!/bin/sh
# licences.sh GO: prints the licences of everything that is linked into the programs: Go itself, its
# modules, and the files of others that the pages load. It fails for a module without a licence.
set -eu

go=$1
cd "$(dirname "$0")/.."
export LC_ALL=C # one order everywhere

# texts WHAT FOLDER: the folder's licence and notices.
texts() {
	found=
	for file in $(ls "$2" | grep -iE '^(licen[cs]e|copying|notice|patents)(\.|$)'); do
		case $file in *[dD]ocs) continue ;; esac # not of the code
		printf '%s\n%s: %s\n%s\n\n' "$rule" "$1" "$file" "$rule"
		cat "$2/$file"
		echo
		found=yes
	done
	[ -n "$found" ] || { echo "licences: $1 has no licence in $2" >&2; exit 1; }
}

rule=------------------------------------------------------------------------
echo "The programs of bty contain code and files of others, under these licences."
echo
texts "Go" "$("$go" env GOROOT)"

modules() {
	for arch in amd64 arm64; do
		GOOS=linux GOARCH=$arch "$go" list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/...
	done
}
list=$(modules)
echo "$list" | sort -u | while read -r path version folder; do
	[ -n "$path" ] || continue
	texts "$path $version" "$folder"
done
find internal/web/ui -name LICENSE | sort | while read -r file; do
	folder=$(dirname "$file")
	texts "$(basename "$folder")" "$folder"
done
