#!/bin/sh
# make.sh BTY_WEB FOLDER: has a bty-web make the state folder that the tests of upgrades begin with.
# Run once with the last program of a schema; what it made is never made again.
set -eu

program=$1 state=$2
port=18480 url=http://127.0.0.1:18480
work=$(mktemp -d)
trap 'kill $web 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir -p "$state"
cat >"$state/bty.toml" <<'TOML'
# Of the site: the second line must survive as well.
[admin]
password = "correct horse"   # for the tests

[events]
keep = 5000
TOML
cat >"$state/catalog.toml" <<'TOML'
version = 1

[[images]]
name = "from the file"
src = "https://images.example/file.img.zst"
format = "img.zst"
TOML

BTY_SERVER_HOST=127.0.0.1 BTY_SERVER_PORT=$port BTY_PATHS_STATE_DIR=$state BTY_PATHS_RUN_DIR=$work "$program" >"$work/log" 2>&1 &
web=$!
for _ in $(seq 100); do curl -sf $url/readyz >/dev/null && break; sleep 0.1; done

call() { # METHOD PATH [BODY]
	answer=$(curl -s -o "$work/body" -w '%{http_code}' -b "$work/cookies" -c "$work/cookies" -H 'Accept: application/json' -X "$1" ${3:+-H 'Content-Type: application/json' -d "$3"} "$url$2")
	case $answer in
	2* | 303) ;;
	*) echo "$1 $2: $answer $(cat "$work/body")" >&2; [ -n "${MAY:-}" ] || exit 1 ;;
	esac
}

curl -sf -o /dev/null -c "$work/cookies" -d 'password=correct+horse' $url/ui/login
call PUT /boot/bty-live-x86_64.vmlinuz 'kernel'
call PUT /boot/bty-live-x86_64.initrd 'initrd'
for src in https://images.example/a.img.gz https://images.example/b.img.zst https://images.example/c.qcow2; do
	call POST /catalog/entries "{\"image_url\": \"$src\"}"
done
for n in 1 2 3 4 5 6 7 8 9; do
	mac=52:54:00:00:01:0$n
	call GET /pxe/$mac
	call POST /pxe/$mac/inventory '{"lshw":{"id":"machine","class":"system","serial":"S'$n'","vendor":"QEMU","product":"Standard PC"},"disks":[{"path":"/dev/vda","serial":"DISK'$n'","size":"20G","model":"virtio"}]}'
done
call PUT /machines/52:54:00:00:01:01 '{"boot_mode":"bty-flash-once","target_disk_serial":"DISK1","labels":["rack 1"]}'
call PUT /machines/52:54:00:00:01:02 '{"boot_mode":"bty-inventory"}'
call PUT /machines/52:54:00:00:01:03 '{"boot_mode":"ipxe-exit","labels":["spare","rack 2"]}'
call DELETE /machines/52:54:00:00:01:09

# What schema 1 did not have.
MAY=yes
call POST /api/v1/tokens '{"name":"ci","scope":"write"}'
call POST /api/v1/tokens '{"name":"read"}'
call POST /api/v1/rules '{"name":"rack 1","labels":["rack 1"],"boot_mode":"bty-tui"}'
curl -s -o /dev/null -w '%{http_code} ' -b "$work/cookies" -H "Origin: $url" -d 'display_timezone=Europe/Berlin' $url/ui/settings/display
curl -s -o /dev/null -w '%{http_code} ' -b "$work/cookies" -H "Origin: $url" -d 'events_keep_days=30' $url/ui/settings/events
call POST /workers/backups '{}'
sleep 2
kill $web
wait $web || true
cat "$work/log" | tail -3 >&2
gzip -9n "$state/bty.db" # most of it is room that was taken ahead
