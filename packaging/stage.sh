#!/bin/sh
# stage.sh GO BINARIES FOLDER VERSION: the tree that both packages are made of. Its dates are
# SOURCE_DATE_EPOCH, so that neither the day nor the place of a build is in a package.
set -eu

go=$1 binaries=$2 tree=$3 version=$4
here=$(dirname "$0")
umask 022

rm -rf "$tree"
DESTDIR=$tree "$here/install.sh" "$binaries"
doc=$tree/usr/share/doc/bty
"$here/licences.sh" "$go" >"$doc/licences-of-others.txt"
install -m 644 "$here/../CHANGELOG.md" "$doc/CHANGELOG.md"
bill=$tree/usr/share/sbom/bty.cdx.json
install -d -m 755 "$(dirname "$bill")"
(cd "$here/.." && "$go" run -trimpath -buildvcs=false ./packaging/sbom -version "$version" "$tree"/usr/bin/* "$tree"/usr/libexec/bty/*) >"$bill"
find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
