#!/bin/sh
# setup.sh GROUP...: makes sure that this machine has the Debian packages that the groups in
# packages.txt name. As root it installs what is missing; otherwise it prints the one line
# that does, and fails.
set -eu

list=$(dirname "$0")/packages.txt
wanted=$(awk -v groups="$*" '
	BEGIN { n = split(groups, want, " ") }
	/^#/ || NF == 0 { next }
	{ for (i = 1; i <= n; i++) if ("," $2 "," ~ "," want[i] ",") { print $1; next } }' "$list")

command -v dpkg-query >/dev/null || {
	echo "setup: this is not a Debian system; install the equivalents of: $(echo $wanted)" >&2
	exit 1
}

missing=
for package in $wanted; do
	state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
	[ "$state" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "setup: these Debian packages are missing. Install them and run make again:" >&2
	echo "    sudo apt-get install -y --no-install-recommends$missing" >&2
	exit 1
fi

echo "setup: installing$missing"
export DEBIAN_FRONTEND=noninteractive
# A package that starts a service (nginx) must not do so here: 101 is "not allowed" to invoke-rc.d.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	trap 'rm -f "$policy"' EXIT
fi
lock="-o DPkg::Lock::Timeout=300"
apt-get $lock -q update
# shellcheck disable=SC2086  # a list of package names
apt-get $lock -q install -y --no-install-recommends $missing
