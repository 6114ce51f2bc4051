#!/bin/sh
# vendor.sh: fetches what vendor.txt lists, as released and unmodified, through npm, and writes the
# digests into vendor.sum, which a test compares with the files. Each package keeps its licence.
# To take a new release: change the version in vendor.txt, run `make assets`, look at the diff.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

command -v npm >/dev/null || { echo "assets: npm is missing: apt-get install npm" >&2; exit 1; }

: >"$work/sum"
grep -v '^#' "$here/vendor.txt" | while read -r package version into files; do
	[ -n "$package" ] || continue
	archive=$(cd "$work" && npm pack --silent "$package@$version")
	mkdir -p "$work/$package"
	tar -xzf "$work/$archive" -C "$work/$package" --strip-components=1
	target=$into/$package-$version
	rm -rf "${root:?}/$into/$package"-*
	mkdir -p "$root/$target"
	for file in $files; do
		cp "$work/$package/$file" "$root/$target/$(basename "$file")"
		chmod 644 "$root/$target/$(basename "$file")"
		(cd "$root" && sha256sum "$target/$(basename "$file")") >>"$work/sum"
	done
	echo "assets: $package $version into $target"
done
LC_ALL=C sort -k2 "$work/sum" >"$here/vendor.sum"
