#!/bin/sh
# The program is compiled with every hardening flag that each compiler here has.
set -eu
cd "$(dirname "$0")/../.."
bad=0
for cc in gcc clang; do
	command -v "$cc" >/dev/null || continue
	flags=$(make -n -B -s CC="$cc" SANITIZE= build/obj/main.o 2>/dev/null)
	for flag in -fstack-protector-strong -fPIE -fcf-protection -mbranch-protection=standard -fstack-clash-protection \
		-ftrivial-auto-var-init=zero -D_FORTIFY_SOURCE=3; do
		# Of clang before 16 the first of two that it wants together says so.
		said=$("$cc" -Werror "$flag" -x c -O2 -c -o /dev/null /dev/null 2>&1) && said=taken
		case $said in
		taken | *knowing-it-will-be-removed*) ;;
		*) continue ;;
		esac
		case $flags in
		*"$flag"*) ;;
		*)
			echo "$cc: not compiled with $flag" >&2
			bad=1
			;;
		esac
	done
done
exit $bad
