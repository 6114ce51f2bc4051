#!/bin/sh
# package.sh deb|rpm GO BINARIES ARCH VERSION OUT: stages what is installed and packs it. ARCH is
# x86_64 or arm64. Prints the packages that it made.
set -eu

kind=$1 go=$2 binaries=$3 arch=$4 version=$5 out=$6
here=$(dirname "$0")
case $kind-$arch in
deb-x86_64) name=amd64 ;;
deb-arm64) name=arm64 ;;
rpm-x86_64) name=x86_64 ;;
rpm-arm64) name=aarch64 ;;
*) echo "package: no $kind for ARCH=$arch; x86_64 and arm64 are known" >&2; exit 2 ;;
esac
[ "$kind" = rpm ] || export ZSHDIR=/usr/share/zsh/vendor-completions # as Debian has it
out=$(cd "$out" && pwd)
stage=$(mktemp -d "$out/stage.XXXXXX")
trap 'rm -rf "$stage"' EXIT
"$here/stage.sh" "$go" "$binaries" "$stage/tree" "$version"
cp "$stage/tree/usr/share/sbom/bty.cdx.json" "$out/bty-$version.$name.$kind.cdx.json"
"$here/$kind/build.sh" "$stage/tree" "$version" "$name" "$out"
