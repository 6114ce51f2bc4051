#!/bin/sh
# version.sh DESCRIBED: prints what `git describe` says as a version that dpkg and rpm order alike:
#   v1.2.3             1.2.3
#   v1.2.3-rc1         1.2.3~rc1               before 1.2.3
#   v1.2.3-4-gabcdef0  1.2.3+git4.gabcdef0     after 1.2.3, before 1.2.4
#   abcdef0, no tag    0~git20261126.153.gabcdef0: date and number of commits, before every release
#   ...-dirty          ...+dirty
set -eu

described=$1
clean=${described%-dirty}
dirty=
[ "$clean" = "$described" ] || dirty=+dirty

commits=
case $clean in
v[0-9]*-[0-9]*-g[0-9a-f]*)
	hash=${clean##*-g}
	number=${clean%-g*}
	commits=+git${number##*-}.g$hash
	clean=${number%-*}
	;;
esac
case $clean in
v[0-9]*) version=$(echo "${clean#v}" | sed 's/-/~/; s/-/./g') ;;
*)
	cd "$(dirname "$0")"
	date=$(git log -1 --date=format-local:%Y%m%d --format=%cd)
	version=0~git$date.$(git rev-list --count HEAD).g$(git rev-parse --short=7 HEAD)
	;;
esac
echo "$version$commits$dirty"
