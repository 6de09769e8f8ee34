#!/bin/sh
# Fuzzes each target for so long, as many at once as there are processors. One that fails does not keep the others from running.
#   run.sh FOLDER SECONDS TARGET…    FOLDER has fuzz_TARGET; what is found is left there as crash-…, oom-… or timeout-…
set -eu
cd "$(dirname "$0")/../.."
build=$1 seconds=$2
shift 2

# Bytes of an input: MAX_BODY_BYTES, and what stands before a body. libFuzzer begins with short ones and grows.
input_max=1114112
# MiB: of the whole process under the sanitizers, and of one allocation.
memory_max=1024 allocation_max=96

fuzz_one() { # TARGET
	case $1 in
	app | fcgi | metrics | page | url) dictionary=http ;;
	*) dictionary=json ;;
	esac
	mkdir -p "$build/corpus/$1" "$build/large/$1"
	if "$build/fuzz_$1" -max_total_time="$seconds" -max_len=$input_max -timeout=20 -rss_limit_mb=$memory_max \
		-malloc_limit_mb=$allocation_max -dict="tests/fuzz/dict/$dictionary.dict" -print_final_stats=1 \
		-artifact_prefix="$build/" "$build/corpus/$1" "tests/fuzz/corpus/$1" "$build/large/$1" >"$build/$1.log" 2>&1; then
		echo "$1: $(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$1.log") inputs, nothing found"
	else
		tail -n 60 "$build/$1.log"
		echo "$1: FAILED; its output is in $build/$1.log"
		: >"$build/$1.failed"
	fi
}

rm -f "$build"/*.failed
tests/fuzz/large.sh "$build/large"
running=0 most=$(nproc)
for target; do
	fuzz_one "$target" &
	running=$((running + 1))
	if [ $running -ge "$most" ]; then
		wait
		running=0
	fi
done
wait
[ -z "$(find "$build" -maxdepth 1 -name '*.failed')" ] || exit 1
