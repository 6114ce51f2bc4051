#!/bin/sh
# install.sh BINARIES: puts the programs of that folder and the files that go with them below
# $DESTDIR, where systemd, man and the shells look for them. `make install` and both packages call
# it, so that there is one list of what is installed. It starts and enables nothing.
set -eu

cd "$(dirname "$0")/.."
binaries=$1
dest=${DESTDIR:-}
prefix=${PREFIX:-/usr}
units=${UNITDIR:-$prefix/lib/systemd/system}
zsh=${ZSHDIR:-$prefix/share/zsh/site-functions}
helpers=bty-sniff-open # started by other programs, not by people

# put MODE FOLDER FILE...: a pattern that matches nothing is no error, parts come and go.
put() {
	mode=$1 folder=$dest$2
	shift 2
	for file in "$@"; do
		[ -f "$file" ] || continue
		install -d -m 755 "$folder"
		install -m "$mode" "$file" "$folder/"
	done
}

for folder in cmd/*/; do
	name=$(basename "$folder")
	[ -f "$binaries/$name" ] || { echo "install: $binaries/$name is missing: make build" >&2; exit 1; }
	case " $helpers " in
	*" $name "*) put 755 "$prefix/libexec/bty" "$binaries/$name" ;;
	*) put 755 "$prefix/bin" "$binaries/$name" ;;
	esac
done

put 644 "$units" units/*.socket units/*.service units/*.timer units/*.slice
if [ "$prefix" != /usr ]; then # the units name their programs by the place that packages have
	sed -i "s,/usr/\(bin\|libexec\)/bty,$prefix/\1/bty,g" "$dest$units"/bty*
fi

put 644 "$prefix/lib/sysusers.d" units/sysusers.d/*.conf
put 644 "$prefix/lib/tmpfiles.d" units/tmpfiles.d/*.conf
put 644 "$prefix/share/polkit-1/rules.d" units/polkit/*.rules
put 644 "$prefix/lib/firewalld/services" units/firewalld/*.xml
put 644 "$prefix/lib/systemd/catalog" units/catalog/*.catalog

for section in 1 5 7 8; do
	put 644 "$prefix/share/man/man$section" docs/man/*.$section
done
put 644 "$prefix/share/bash-completion/completions" packaging/completions/bash/*
put 644 "$zsh" packaging/completions/zsh/*
put 644 "$prefix/share/fish/vendor_completions.d" packaging/completions/fish/*

# The operator's from the first installation on.
[ -e "$dest/etc/bty/bty.toml" ] || put 644 /etc/bty packaging/bty.toml

doc=$prefix/share/doc/bty
put 644 "$doc" LICENSE docs/install.md docs/configuration.md docs/netboot.md docs/pages.md docs/rules.md \
	docs/backup.md docs/cache.md docs/api.md docs/bty.md docs/systemd.md docs/doctor.md docs/journal.md \
	docs/README.md docs/walkthrough.md docs/quickstart.md docs/hardening.md docs/deploy.md docs/troubleshooting.md \
	docs/upgrade.md docs/import.md docs/liveenv.md docs/stick.md
put 644 "$doc/compose" compose/*.yml compose/dotenv.example
find units/dropins -type f 2>/dev/null | sort | while read -r file; do # examples, none is active
	put 644 "$doc/$(dirname "${file#units/}")" "$file"
done
