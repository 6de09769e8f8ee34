#!/bin/sh
# Modules may include only modules below them, and each library's header stands in its one place.
set -eu
cd "$(dirname "$0")/../.."
bad=0

say() {
	echo "$1" >&2
	bad=1
}

# What each module may include besides itself; all that is below it in ARCHITECTURE.md.
below() {
	case $1 in
	base) ;;
	metrics | config | crypto | jsonschema) echo base ;;
	web) echo base crypto ;;
	site) echo base web ;;
	net) echo base metrics ;;
	runner) echo base ;;
	bridge) echo base net runner ;;
	shared) echo base metrics crypto ;;
	pages) echo base crypto web ;;
	access) echo base crypto shared ;;
	aws) echo base metrics crypto net ;;
	idp) echo base metrics config crypto web net shared ;;
	store) echo base metrics config crypto shared aws ;;
	catalog) echo base config crypto jsonschema ;;
	mcp) echo base metrics config crypto web shared access idp catalog site ;;
	exec) echo base metrics config crypto web shared access idp catalog mcp jsonschema runner store site ;;
	oauth) echo base metrics config crypto web net shared pages access idp store site ;;
	app) echo base metrics config crypto jsonschema web net runner shared pages access aws idp store catalog mcp exec oauth site ;;
	server) echo base metrics config crypto web runner app ;;
	admin) echo base config app ;;
	doctor) echo base metrics config crypto web net runner shared pages access aws idp store catalog mcp exec oauth app site ;;
	*) say "src/$1 is no module of ARCHITECTURE.md" ;;
	esac
}

for dir in src/*/; do
	module=$(basename "$dir")
	allowed=" $module $(below "$module") "
	for file in "$dir"*.[ch]; do
		others=$(sed -nE 's,^#include "([a-z]+)/.*,\1,p' "$file" | sort -u)
		for other in $others; do
			case $allowed in
			*" $other "*) ;;
			*) say "$file includes $other/, which is not below $module/" ;;
			esac
		done
		if grep -n '^#include "[^/]*"' "$file" >&2; then
			say "$file: write includes as \"module/file.h\""
		fi
	done
done

# only HEADER FILES…: HEADER is included by no file but these.
only() {
	header=$1
	shift
	for file in $(grep -rlE "^#include <$header" src || true); do
		case " $* " in
		*" $file "*) ;;
		*) say "$file includes <$header…>, which belongs in $*" ;;
		esac
	done
}

only fcgi src/web/fcgi.c
only fastcgi src/web/fcgi.c src/web/fcgi_conn.c
only json-c src/base/json_print.c
only jansson nowhere
only curl/ src/net/http.c src/net/http_streams.c
only lmdb src/shared/lmdb.c
only jwt src/crypto/jose.c
only gnutls/ src/crypto/jose.c src/crypto/digest.c src/crypto/certificate.c src/net/trust.c
only pcre2 src/jsonschema/pattern.c
only yaml src/catalog/front_matter.c
only nettle/ src/crypto/digest.c src/crypto/nettle_digest.h src/crypto/seal.c src/crypto/sign.c
only gmp src/crypto/sign.c

# A file that passes 500 lines asks to be two.
for file in src/*.c src/*/*.[ch]; do
	lines=$(wc -l <"$file")
	[ "$lines" -le 500 ] || say "$file has $lines lines; the limit is 500"
done

exit $bad
