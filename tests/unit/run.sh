#!/bin/sh
# Runs unit tests, several at once, since most of their time is spent waiting: run.sh TEST…
# Those of the runner go one after another: each has control groups and filters of the whole host.
# Each one's output is printed when it ends. UNDER: what a test runs under (valgrind and its options).
set -eu
out=$(mktemp -d "${TMPDIR:-/tmp}/units.XXXXXX")
trap 'rm -rf "$out"' EXIT
at_once=4

# shellcheck disable=SC2016  # the inner shell's own
run='for t; do
	name=${t##*/}
	# shellcheck disable=SC2086  # options
	${UNDER:-} "$t" >"$OUT/$name" 2>&1 && status=0 || status=$?
	{ echo "== $t"; cat "$OUT/$name"; [ $status = 0 ] || echo "== $t: FAILED, status $status"; }
	[ $status = 0 ] || exit 255
done'
export OUT="$out"
runner='' others=''
for t; do
	case ${t##*/} in
	test_runner_*) runner="$runner $t" ;;
	*) others="$others $t" ;;
	esac
done
# shellcheck disable=SC2086  # names without spaces
sh -c "$run" - $runner &
# shellcheck disable=SC2086
printf '%s\n' $others | xargs -r -P $((at_once - 1)) -n 1 sh -c "$run" - && status=0 || status=1
wait $! || status=1
exit "$status"
