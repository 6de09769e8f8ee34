#!/bin/sh
# C is written as clang-format writes it (.clang-format; its versions 14 and 19 agree), and no line of anything else
# that people read is longer than its limit.
set -eu
cd "$(dirname "$0")/../.."
CODE_MAX=180  # scripts and tests
PROSE_MAX=160 # Markdown; tables and lines with an address cannot be broken
CONF_MAX=140  # comments in configuration files; a directive cannot be broken

git ls-files -z -- '*.c' '*.h' ':!*/node_modules/*' | xargs -0 clang-format --dry-run -Werror || {
	echo "format.sh: run clang-format -i on these files" >&2
	exit 1
}

# too_long LIMIT PATTERN: reads names, says which of their lines are longer and do not match.
too_long() {
	# shellcheck disable=SC2016 # the dollars are perl's
	xargs -d '\n' perl -CSD -ne '
		BEGIN { $limit = shift; $except = shift }
		chomp;
		if (length > $limit && !/$except/) { print STDERR "$ARGV:$.: the line is longer than $limit\n"; $bad = 1 }
		close ARGV if eof;
		END { exit 1 if $bad }' "$@"
}

git ls-files -- '*.mjs' '*.ts' '*.sh' Makefile 'scripts/*' | too_long "$CODE_MAX" '^$'
git ls-files -- '*.md' | too_long "$PROSE_MAX" '^\||https?://'
git ls-files -- 'conf/*' | too_long "$CONF_MAX" '^\s*[^#\s]'
