#!/bin/sh
# build.sh TREE VERSION ARCH OUT: makes the rpm packages of a staged tree (stage.sh), also on Debian.
set -eu

tree=$1 version=$2 arch=$3 out=$4
here=$(cd "$(dirname "$0")" && pwd)
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:?}"

work=$(mktemp -d "$out/rpm.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/tmp" "$work/rpm/BUILD" "$work/policy"

cp "$here"/selinux/bty.* "$work/policy/"
make -C "$work/policy" -f /usr/share/selinux/devel/Makefile bty.pp >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
bzip2 -9 "$work/policy/bty.pp"

# The users before the files: the scriptlet has them in it.
sed -e "/^BTY_SYSUSERS$/{r $tree/usr/lib/sysusers.d/bty.conf" -e 'd}' "$here/bty.spec" >"$work/bty.spec"
cat >>"$work/bty.spec" <<END

%changelog
* $(LC_ALL=C date -u -d "@$SOURCE_DATE_EPOCH" '+%a %b %d %Y') $(sed -n 's/^Packager: *//p' "$here/bty.spec") - $version-1
- What changed for operators is in /usr/share/doc/bty/CHANGELOG.md.
END

payload=
[ "${COMPRESSION:-}" != fast ] || payload=w1.gzdio
rpmbuild -bb --quiet --target "$arch-linux" \
	--define "_topdir $work/rpm" --define "_tmppath $work/tmp" --define "_rpmdir $work/out" \
	${payload:+--define "bty_payload $payload"} \
	--define "bty_version $version" --define "bty_tree $tree" --define "bty_policy $work/policy" \
	"$work/bty.spec" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
mv "$work"/out/*/*.rpm "$out/"
