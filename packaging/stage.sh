#!/bin/sh
# stage.sh GO BINARIES FOLDER: the tree that both packages are made of. Its dates are
# SOURCE_DATE_EPOCH, so that neither the day nor the place of a build is in a package.
set -eu

go=$1 binaries=$2 tree=$3
here=$(dirname "$0")
umask 022

rm -rf "$tree"
DESTDIR=$tree "$here/install.sh" "$binaries"
doc=$tree/usr/share/doc/bty
"$here/licences.sh" "$go" >"$doc/licences-of-others.txt"
install -m 644 "$here/../CHANGELOG.md" "$doc/CHANGELOG.md"
find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
