#!/bin/sh
# Links and paths in the documents exist, and so do the make targets, tests, log events and configuration keys that they name. The index in
# README.md has every document. The example configuration is accepted.
#   docs.sh MCP_AUTHD
# shellcheck disable=SC2016 # the backticks are Markdown's
set -eu
cd "$(dirname "$0")/../.."
program=${1:?path of mcp-authd}
bad=0

say() {
	echo "$1" >&2
	bad=1
}

# anchors FILE: the anchor of each heading of a document, as Git hosts make it.
anchors() {
	grep -E '^#+ ' "$1" | sed -E 's/^#+ //; s/[^A-Za-z0-9 _-]//g; s/ /-/g' | tr '[:upper:]' '[:lower:]'
}

index=$(sed -n '/^## Documents/,/^## /p' README.md)
for doc in docs/*.md; do
	echo "$index" | grep -qF "]($doc)" || say "README.md: the index does not have $doc"
done

for doc in *.md docs/*.md; do
	links=$(grep -oE '\]\([^)# ]+' "$doc" | cut -c3- | grep -vE '^[a-z]+:' || true)
	for link in $links; do
		[ -e "$(dirname "$doc")/$link" ] || say "$doc: $link does not exist"
	done
	links=$(grep -oE '\]\([^): ]*#[^) ]+' "$doc" | cut -c3- || true)
	for link in $links; do
		file=${link%%#*}
		anchors "${file:+$(dirname "$doc")/}${file:-$doc}" | grep -qx "${link#*#}" || say "$doc: $link has no such heading"
	done
	paths=$(grep -oE '`(tests|infra|conf|scripts|src)/[A-Za-z0-9_./@-]+`' "$doc" | tr -d '\140' || true)
	for path in $paths; do
		[ -e "$path" ] || say "$doc: $path does not exist"
	done
	targets=$(grep -oE '(^    |`)make [a-z0-9-]+' "$doc" | sed 's/.*make //' | sort -u)
	for target in $targets; do
		grep -qE "^$target:" Makefile || say "$doc: there is no make $target"
	done
done

# Where the documents are installed, each link leads to something that is installed too.
installed=$(mktemp -d)
trap 'rm -rf "$installed"' EXIT
cp README.md docs/*.md "$installed"
scripts/installed-links "$installed"/*.md
cp -r conf/fail2ban "$installed"
links=$(grep -ohE '\]\([^)# ]+' "$installed"/*.md | cut -c3- | grep -vE '^[a-z]+:' | sort -u)
for link in $links; do
	case $link in
	/usr/share/mcp-authd/*) [ -e "share/${link#/usr/share/mcp-authd/}" ] ;;
	/etc/mcp-authd/*) [ -e "conf/${link#/etc/mcp-authd/}" ] ;;
	*) [ -e "$installed/$link" ] ;;
	esac || say "scripts/installed-links leaves $link, which is not installed"
done

# ARCHITECTURE.md names files by module.
for file in $(grep -oE '`[a-z]+/[a-z0-9_]+\.[ch]`' ARCHITECTURE.md | tr -d '\140'); do
	[ -e "src/$file" ] || [ -e "$file" ] || say "ARCHITECTURE.md: src/$file does not exist"
done

# Log events, and keys of the configuration (what begins with AWS_ is AWS's, with MCP_ a tool's environment; both are checked elsewhere).
events=$(grep -ohE 'event=[a-z_]+' ./*.md docs/*.md | cut -d= -f2 | sort -u)
for event in $events; do
	grep -rqF "\"$event\"" src || say "docs: there is no log line event=$event"
done
# docs/log.md has each event that is logged at a level above debug, and no other. Some names are given to the functions that log.
code=$(find src -name '*.c' -exec cat {} + | tr '\n' ' ')
logged=$({
	echo "$code" | grep -oE '(log_(info|warn|error)|LOG_AT)\( *([^",;]*, *)?"[a-z_]+"' | sed 's/.*( *//'
	echo "$code" | grep -oE '(log_(info|warn|error)|LOG_AT|log_emit)\([^;"]*\? *"[a-z_]+" : "[a-z_]+"'
	grep -ohE '"[a-z_]+_invalid"' src/app/loaded_*.c src/catalog/*.c
	tr '\n' ' ' <src/exec/methods.c | grep -oE '"[a-z_]+", +"[a-z]+"\}' | cut -d, -f1
} | grep -oE '"[a-z_]+"' | tr -d '"' | sort -u)
described=$(sed -nE 's/^\| (`[a-z_`, ]*`) \| (info|warn|error)\b.*/\1/p' docs/log.md | tr -d '\140 ' | tr ',' '\n' | sort -u)
for event in $logged; do
	echo "$described" | grep -qx "$event" || say "docs/log.md does not have $event"
done
for event in $described; do
	echo "$logged" | grep -qx "$event" || say "docs/log.md: nothing logs $event"
done
keys=$(grep -ohE '`[A-Z][A-Z0-9]*(_[A-Z0-9]+)+' ./*.md docs/*.md | tr -d '\140' | sort -u)
for key in $keys; do
	case $key in
	AWS_* | MCP_TOOL | MCP_PROMPT | MCP_RESOURCE | MCP_REQUEST_ID) continue ;;
	esac
	grep -qE "^#?$key=" conf/mcp-authd.conf || say "docs: $key is no key of the configuration"
done

conf=$(mktemp)
trap 'rm -rf "$installed" "$conf"' EXIT
# Alone, and behind the file that is shipped. 1: the folders that it names are not on this machine.
for doc in README.md docs/install.md; do
	block=$(sed -nE 's/^ {4,7}([A-Z_]+=.*)/\1/p' "$doc")
	case $block in *COGNITO_DOMAIN*) ;; *) say "$doc: the example configuration was not found" ;; esac
	for before in '' conf/mcp-authd.conf; do
		{ cat ${before:+"$before"} </dev/null && echo "$block"; } >"$conf"
		"$program" -t -c "$conf" >/dev/null 2>&1 || [ $? = 1 ] || say "$doc: the example configuration is not accepted${before:+ behind $before}"
	done
done

# Every option and command that the program knows is in the manual page and in the completion, and in the README's list.
options=$("$program" -h | grep -oE '^  -[a-z]|(\[|\| )-[a-zA-Z]\b' | tr -d ' [|' | sort -u)
commands=$("$program" -h | sed -n '/Commands:/,$s/^  \([a-z][a-z-]*\).*/\1/p')
if [ -z "$options" ] || [ -z "$commands" ]; then say "mcp-authd -h lists no options or no commands"; fi
for option in $options; do
	grep -qF "\\$option" man/mcp-authd.8 || say "man/mcp-authd.8 does not name $option"
	grep -qwF -- "$option" conf/completion/mcp-authd || say "conf/completion/mcp-authd does not name $option"
done
for command in $commands; do
	"$program" "$command" -h >/dev/null 2>&1 || say "mcp-authd $command -h fails"
	grep -qE "^\.BI? $command( |\$)" man/mcp-authd.8 || say "man/mcp-authd.8 does not describe $command"
	grep -qF ".B mcp-authd $command" man/mcp-authd.8 || say "man/mcp-authd.8: $command is not in the synopsis"
	grep -qF "    mcp-authd $command" README.md || say "README.md does not name mcp-authd $command"
	completed=$(COMP_CWORD=1 bash -c '. conf/completion/mcp-authd; COMP_WORDS=(mcp-authd "$1"); _mcp_authd; echo "${COMPREPLY[*]}"' bash "$command")
	[ "$completed" = "$command" ] || say "conf/completion/mcp-authd does not complete $command"
	completed=$(COMP_CWORD=3 bash -c '. conf/completion/mcp-authd; COMP_WORDS=(mcp-authd -c x "$1"); _mcp_authd; echo "${COMPREPLY[*]}"' bash "$command")
	[ "$completed" = "$command" ] || say "conf/completion/mcp-authd does not complete $command after -c FILE"
	# What a command takes besides -c is in its usage.
	for flag in $("$program" "$command" -? 2>&1 | grep -oE -- '--[a-z][a-z-]*' | sort -u); do
		completed=$(COMP_CWORD=2 bash -c '. conf/completion/mcp-authd; COMP_WORDS=(mcp-authd "$1" --); _mcp_authd; echo "${COMPREPLY[*]}"' bash "$command")
		case " $completed " in *" $flag "*) ;; *) say "conf/completion/mcp-authd does not complete $command $flag" ;; esac
	done
done

# A test that is named as `FILE` "NAME".
pairs=$(grep -ohE '`(tests|infra)/[^` ]+` "[^"]+"' docs/*.md || true)
while IFS= read -r pair; do
	[ -n "$pair" ] || continue
	file=${pair#?}
	file=${file%%\`*}
	name=${pair#*\"}
	name=${name%\"}
	grep -qsF -- "$name" "$file" || say "$file has no test \"$name\""
done <<EOF
$pairs
EOF
# The messages that people look up are those of the program.
grep -oE '\*"[^"]+"\*' docs/troubleshooting.md | sed 's/^\*"//; s/"\*$//' >"$installed/messages"
while read -r message; do
	grep -rqF "$message" src share/words || say "docs/troubleshooting.md: nothing says \"$message\""
done <"$installed/messages"

exit $bad
