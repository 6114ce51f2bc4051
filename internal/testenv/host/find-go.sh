#!/bin/sh
# find-go.sh: prints the go command to use. Wanted is Go 1.26, or any Go from 1.21 on that may
# fetch it. What was found goes to standard error when VERBOSE is set.
set -eu

wanted=26
for go in "${GO:-}" "$(command -v go || true)" /usr/local/go/bin/go /usr/lib/go-1.*/bin/go; do
	[ -n "$go" ] && [ -x "$(command -v "$go" || true)" ] || continue
	# GOTOOLCHAIN=local: what is installed, not what go.mod would make it fetch.
	version=$(GOTOOLCHAIN=local "$go" env GOVERSION 2>/dev/null || true)
	minor=$(expr "$version" : 'go1\.\([0-9]*\)' || true)
	[ -n "$minor" ] || continue
	if [ "$minor" -ge "$wanted" ]; then
		[ -z "${VERBOSE:-}" ] || echo "make: using $go ($version)" >&2
		echo "$go"
		exit 0
	fi
	if [ "$minor" -ge 21 ] && [ "${GOTOOLCHAIN:-auto}" != local ]; then
		[ -z "${VERBOSE:-}" ] || echo "make: using $go ($version, which fetches Go 1.$wanted)" >&2
		echo "$go"
		exit 0
	fi
	seen="${seen:-} $go is $version;"
done

case $(uname -m) in aarch64) arch=arm64 ;; *) arch=amd64 ;; esac
{
	echo "make: no Go 1.$wanted, and none from 1.21 on that may fetch it (GOTOOLCHAIN=local forbids that).${seen:-}"
	echo "Install it and run make again:"
	echo "    curl -fsSL https://go.dev/dl/go1.$wanted.0.linux-$arch.tar.gz | sudo tar -C /usr/local -xz"
} >&2
exit 1
