#!/bin/sh
# build.sh TREE VERSION ARCH OUT: makes the Debian package of a staged tree (stage.sh). Nothing is
# compiled, so that no cross compiler is needed for another architecture.
set -eu

tree=$1 version=$2 arch=$3 out=$4
here=$(dirname "$0")
: "${SOURCE_DATE_EPOCH:?}"

work=$(mktemp -d "$out/deb.XXXXXX")
trap 'rm -rf "$work"' EXIT
source=$work/bty
mkdir "$source"
cp -r "$here" "$source/debian"
rm "$source/debian/build.sh"
cp -a "$tree" "$source/tree"

cat >"$source/debian/changelog" <<END
bty ($version-1) unstable; urgency=medium

  * What changed for operators is in /usr/share/doc/bty/changelog.gz.

 -- $(sed -n 's/^Maintainer: //p' "$here/control")  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
END

cd "$source"
dpkg-buildpackage -us -uc -b -d -a"$arch" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
mv "$work"/bty_*.deb "$out/"
