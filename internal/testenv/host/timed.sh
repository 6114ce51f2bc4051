#!/bin/sh
# timed.sh NAME COMMAND...: runs the command and says how long it took, whether it held or not.
set -u
name=$1
shift
start=$(date +%s)
"$@"
status=$?
end=$(date +%s)
[ "$status" -eq 0 ] && verdict=ok || verdict="FAILED ($status)"
line=$(printf '== %-8s %-10s %4d s' "$name" "$verdict" $((end - start)))
echo "$line"
[ -z "${TIMES:-}" ] || echo "$line" >>"$TIMES"
exit "$status"
