# mcp-authd. `make help` lists the targets.

CC      ?= cc
BUILD   ?= build
PREFIX  ?= /usr
VERSION := $(shell cat VERSION)

PKGS    := fcgi json-c libcurl libjwt-gnutls gnutls nettle hogweed libpcre2-8 yaml-0.1
PKG_CONFIG ?= pkg-config
LIBS     = $(shell $(PKG_CONFIG) --libs $(PKGS)) -llmdb -lgmp -lm
INCS     = $(shell $(PKG_CONFIG) --cflags $(PKGS))
WARN    := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
           -Wpointer-arith -Wwrite-strings -Wundef -Wimplicit-fallthrough
ifneq ($(WERROR),)
WARN    += -Werror
endif
CFLAGS  ?= -O2 -g
# Hidden symbols: json-c and jansson (which libjwt uses) share names, and ours must not join in.
HARDEN  := -fstack-protector-strong -fPIE -fvisibility=hidden
# The first of these flags that the compiler takes. Of clang's before 16 the third has to be asked for in so many words.
flag    = $(firstword $(foreach f,$(1),$(shell $(CC) -Werror $(subst ~, ,$(f)) -x c -c -o /dev/null /dev/null 2>/dev/null && echo '$(f)')))
ZERO    := -ftrivial-auto-var-init=zero
HARDEN  += $(call flag,-fcf-protection -mbranch-protection=standard) $(call flag,-fstack-clash-protection) \
          $(subst ~, ,$(call flag,$(ZERO) $(ZERO)~-enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang))
ifneq ($(SANITIZE),)
CFLAGS  := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined \
           $(if $(findstring clang,$(CC)),-fsanitize=fuzzer-no-link)
HARDEN  += -DWITH_SANITIZERS
LDFLAGS += -fsanitize=address,undefined
else
HARDEN  += -Wp,-U_FORTIFY_SOURCE,-D_FORTIFY_SOURCE=3
endif
ALLCFLAGS = -std=gnu11 -D_GNU_SOURCE -Isrc -DMCP_AUTHD_VERSION='"$(VERSION)"' \
            $(WARN) $(HARDEN) $(INCS) $(CPPFLAGS) $(CFLAGS) -MMD -MP
LINK      = $(CC) $(CFLAGS) -fPIE -pie -Wl,-z,relro,-z,now $(LDFLAGS)

SRCS    := $(wildcard src/*.c src/*/*.c)
OBJS    := $(SRCS:src/%.c=$(BUILD)/obj/%.o)
MODULES := $(filter-out $(BUILD)/obj/main.o,$(OBJS))
UNITS   := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
REPLAYS  = $(FUZZERS:%=$(BUILD)/fuzz/replay_%)
# The pool's own tests: the modules that it needs, and a stand-in for app/.
POOL    := $(filter $(addprefix $(BUILD)/obj/,$(addsuffix /%,base crypto metrics config web runner server)),$(MODULES))

all: $(BUILD)/mcp-authd  ## build the program (build/mcp-authd)

help:  ## list the targets
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

deps:  ## install the Debian packages that the build needs
	@scripts/deps build

demo:  ## install what is missing, build, log in and call a tool, keep serving (ONESHOT=1: stop after it)
	@scripts/deps demo
	@$(MAKE) --no-print-directory -s all
	@tests/node tests/demo/demo.mjs

$(BUILD)/mcp-authd: $(OBJS)
	$(LINK) -o $@ $(OBJS) $(LIBS)

$(BUILD)/obj/%.o: src/%.c VERSION | $(BUILD)/needs
	@mkdir -p $(@D)
	$(CC) $(ALLCFLAGS) -c -o $@ $<

# Before anything is compiled: is there what it needs?
$(BUILD)/needs:
	@scripts/deps needs "$(CC)" "$(PKG_CONFIG)" $(PKGS)
	@mkdir -p $(@D) && touch $@

# Each idp/provider_NAME.c defines idp_NAME (idp/provider.h), and idp/idp.c lists them all: the folder changes with each new one.
PROVIDERS := $(wildcard src/idp/provider_*.c)
$(BUILD)/obj/idp/idp.o: CPPFLAGS += -DIDP_PROVIDERS='$(patsubst src/idp/provider_%.c,PROVIDER(%),$(PROVIDERS))'
$(BUILD)/obj/idp/idp.o: src/idp

# What it takes in by .incbin, which -MMD does not see.
$(BUILD)/obj/pages/page.o: $(wildcard share/templates/*)
$(BUILD)/obj/pages/words.o: $(wildcard share/words/*)
$(BUILD)/obj/app/new_tool.o: $(wildcard share/new-tool/*)

$(BUILD)/libmodules.a: $(MODULES)
	rm -f $@ && ar rcs $@ $(MODULES)

# --- tests

test:  ## install what the tests need, run every test, plain and under the sanitizers, and fuzz for a few seconds each
	@scripts/deps test
	$(MAKE) -s -j$$(nproc) WERROR=1 tests-built
	$(MAKE) WERROR=1 check
	$(MAKE) WERROR=1 valgrind
	$(MAKE) WERROR=1 asan
	$(MAKE) WERROR=1 fuzz FUZZ_SECONDS=3
	$(MAKE) infra

# With -j, since the tests themselves run one after another.
tests-built: $(BUILD)/mcp-authd $(BUILD)/activate $(BUILD)/schema_check $(BUILD)/pool/stub $(BUILD)/pool/pool_test $(UNITS) $(REPLAYS)

check: guards unit replay pool-test e2e e2e-policies e2e-sites-short conformance  ## run every test once

# Compiled once, by the other compiler, for what runs under the sanitizers and for what is fuzzed.
ASAN := CC=clang SANITIZE=1 BUILD=build/asan

asan:  ## unit tests, end-to-end tests through lighttpd and conformance under AddressSanitizer and UBSan
	@scripts/deps test
	$(MAKE) -s -j$$(nproc) $(ASAN) tests-built
	$(MAKE) $(ASAN) unit replay pool-test e2e-lighttpd conformance

guards: $(BUILD)/mcp-authd  ## rules of the tree: layers, banned functions, headers, shell, format, documents, shipped configuration
	@tests/guards/layers.sh
	@tests/guards/banned.sh
	@tests/guards/headers.sh
	@tests/guards/shell.sh
	@tests/guards/format.sh
	@tests/guards/figures.sh
	@tests/guards/conf.sh $(BUILD)/mcp-authd
	@tests/guards/docs.sh $(BUILD)/mcp-authd
	@tests/guards/units.sh
	@tests/guards/hardening.sh

conf: $(BUILD)/mcp-authd  ## write conf/mcp-authd.conf anew from the table of keys
	$(BUILD)/mcp-authd -p >conf/mcp-authd.conf

$(BUILD)/unit/%: tests/unit/%.c $(BUILD)/libmodules.a
	@mkdir -p $(@D)
	$(CC) $(ALLCFLAGS) -Itests/unit -pie $(LDFLAGS) -o $@ $< $(BUILD)/libmodules.a $(LIBS) -lcmocka

unit: $(UNITS)  ## unit tests
	@tests/unit/run.sh $(UNITS)

valgrind: $(UNITS)  ## unit tests under valgrind
	@UNDER='valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,possible --child-silent-after-fork=yes' \
	  tests/unit/run.sh $(UNITS)

$(BUILD)/schema_check: tests/schema/schema_check.c $(BUILD)/libmodules.a
	@mkdir -p $(@D)
	$(CC) $(ALLCFLAGS) $(LDFLAGS) -pie -o $@ $< $(BUILD)/libmodules.a $(LIBS)

$(BUILD)/pool/stub: tests/pool/stub_app.c $(POOL)
	@mkdir -p $(@D)
	$(CC) $(ALLCFLAGS) $(LDFLAGS) -pie -o $@ tests/pool/stub_app.c $(POOL) $(LIBS)

POOL_TESTS := tests/pool/pool_test.c tests/pool/output_tests.c tests/pool/faults_tests.c tests/pool/reader_tests.c tests/pool/daemon.c
$(BUILD)/pool/pool_test: $(POOL_TESTS) $(wildcard tests/pool/*.h) $(BUILD)/libmodules.a
	@mkdir -p $(@D)
	$(CC) $(ALLCFLAGS) $(LDFLAGS) -pie -o $@ $(POOL_TESTS) $(BUILD)/libmodules.a $(LIBS) -lcmocka

FUZZ_SECONDS ?= 60

$(BUILD)/fuzz/replay_%: tests/fuzz/fuzz_%.c $(wildcard tests/fuzz/*.h) $(BUILD)/libmodules.a
	@mkdir -p $(@D)
	$(CC) $(ALLCFLAGS) -Itests/unit -pie $(LDFLAGS) -o $@ $< $(BUILD)/libmodules.a $(LIBS)

replay: $(REPLAYS)  ## give every fuzz seed to its parser, and inputs as large as a body
	@tests/fuzz/large.sh $(BUILD)/fuzz/large
	@for f in $(FUZZERS); do \
	  $(BUILD)/fuzz/replay_$$f tests/fuzz/corpus/$$f $$(ls -d $(BUILD)/fuzz/large/$$f 2>/dev/null) || exit 1; done

$(BUILD)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(wildcard tests/fuzz/*.h) $(BUILD)/libmodules.a
	@mkdir -p $(@D)
	$(CC) $(ALLCFLAGS) -Itests/unit -DFUZZ_LIBFUZZER -fsanitize=fuzzer $(LDFLAGS) -o $@ $< $(BUILD)/libmodules.a $(LIBS)

fuzz:  ## fuzz every parser (FUZZERS: these) with libFuzzer, FUZZ_SECONDS each (60)
	@scripts/deps test
	@$(MAKE) --no-print-directory -s -j$$(nproc) $(ASAN) $(FUZZERS:%=build/asan/fuzz/fuzz_%)
	@tests/fuzz/run.sh build/asan/fuzz $(FUZZ_SECONDS) $(FUZZERS)

pool-test: $(BUILD)/pool/stub $(BUILD)/pool/pool_test  ## signals, crashes, reloads, sizing of the worker pool
	$(BUILD)/pool/pool_test $(BUILD)/pool/stub

# In systemd's place: holds the socket while the daemon restarts.
$(BUILD)/activate: tests/parts/activate.c
	@mkdir -p $(@D)
	$(CC) $(ALLCFLAGS) $(LDFLAGS) -pie -o $@ $<

e2e: e2e-apache e2e-lighttpd-short e2e-nginx-short e2e-caddy  ## logins and calls by the official clients, through each web server

# Their subject is not the web server, or is lighttpd: once, through lighttpd.
NOT_THROUGH_APACHE := cognito-tls demo dynamodb dynamodb-faults dynamodb-tasks local-cognito outputs-to-conf policies server-info \
  schema-ajv tool-commands runner-attacks program-access persistent-programs servers server-url \
  sites-apart sites-shares kills server-instances skills
E2E_lighttpd := $(sort $(wildcard tests/e2e/*.test.mjs))
E2E_lighttpd-short := $(NOT_THROUGH_APACHE:%=tests/e2e/%.test.mjs)
E2E_apache := $(filter-out $(NOT_THROUGH_APACHE:%=tests/e2e/%.test.mjs),$(E2E_lighttpd))
E2E_nginx := $(E2E_apache)
# Where web servers differ: streams, bodies, headers (Authorization too), clients that go away.
E2E_caddy := $(patsubst %,tests/e2e/%.test.mjs,login-sdk-v1 login-sdk-v2 machines mcp-cancel mcp-content mcp-disconnects \
  mcp-subscriptions parked-calls pool sites size-limits slow-bodies slow-readers)
E2E_nginx-short := $(E2E_caddy) $(patsubst %,tests/e2e/%.test.mjs,doctor-public issued-tokens mcp-errors memory web-examples \
  web-server-reload)

# Most of a test's time is spent waiting: several files at once.
export FILES_AT_ONCE ?= 3

e2e-lighttpd e2e-lighttpd-short e2e-apache e2e-nginx e2e-nginx-short e2e-caddy: $(BUILD)/mcp-authd $(BUILD)/activate $(BUILD)/schema_check
	WEB_SERVER=$(patsubst e2e-%,%,$(@:%-short=%)) MCP_AUTHD=$(abspath $(BUILD)/mcp-authd) ACTIVATE=$(abspath $(BUILD)/activate) \
	  tests/node --test --test-concurrency=$(FILES_AT_ONCE) $(E2E_$(@:e2e-%=%))

# The same files again, as four services with the permissions that infra/ gives them.
e2e-policies: $(BUILD)/mcp-authd  ## the end-to-end tests with the AWS policies enforced, a service and a role per group of endpoints
	MCP_AUTHD=$(abspath $(BUILD)/mcp-authd) tests/node tests/policies/run.mjs

.PHONY: e2e-sites e2e-sites-short
e2e-sites e2e-sites-short: $(BUILD)/mcp-authd $(BUILD)/activate  ## the end-to-end tests with each site as one of fifty of its daemon
	MCP_AUTHD=$(abspath $(BUILD)/mcp-authd) ACTIVATE=$(abspath $(BUILD)/activate) tests/node tests/sites/run.mjs $(if $(findstring short,$@),short)

conformance-servers: $(BUILD)/mcp-authd  ## its reference server (REFERENCE: where it is), bare and as a server of servers.d: what differs
	MCP_AUTHD=$(abspath $(BUILD)/mcp-authd) tests/node tests/conformance/servers.mjs

browser-server: $(BUILD)/mcp-authd  ## @playwright/mcp with Debian's chromium as a server of servers.d
	npm install --silent --no-save --no-audit --no-fund --prefix $(BUILD)/browser-server @playwright/mcp@0.0.83
	MCP_AUTHD=$(abspath $(BUILD)/mcp-authd) tests/node tests/browser-server/run.mjs $(BUILD)/browser-server/node_modules

conformance: $(BUILD)/mcp-authd  ## the official conformance suite, both requirement sets
	MCP_AUTHD=$(abspath $(BUILD)/mcp-authd) tests/node tests/conformance/run.mjs

conformance-sites: $(BUILD)/mcp-authd  ## the same as one of fifty sites
	ONE_OF_SITES=50 MCP_AUTHD=$(abspath $(BUILD)/mcp-authd) tests/node tests/conformance/run.mjs

infra:  ## the AWS side: types, synthesis of both stages, every line of the document, cdk-nag (no account, no network)
	@scripts/deps test
	@$(MAKE) --no-print-directory -s $(BUILD)/unit/test_metrics
	tests/node infra/node_modules/typescript/bin/tsc -p infra
	METRICS_PRINTER=$(abspath $(BUILD))/unit/test_metrics tests/node --test infra/test/*.test.ts

COMPILERS ?= gcc clang
warnings:  ## no warning with gcc or clang (COMPILERS: these)
	@for cc in $(COMPILERS); do \
	  $(MAKE) --no-print-directory -s -j$$(nproc) CC=$$cc WERROR=1 BUILD=build/$$cc all && echo "$$cc: no warning" || exit 1; done

$(BUILD)/bench/fixed: tests/bench/fixed.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(shell pkg-config --cflags fcgi) -o $@ $< $(shell pkg-config --libs fcgi)

$(BUILD)/bench/fixed_login: tests/bench/fixed_login.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(shell pkg-config --cflags fcgi libcurl) -o $@ $< $(shell pkg-config --libs fcgi libcurl)

$(BUILD)/bench/count_allocations.so: tests/bench/count_allocations.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -fPIC -shared -o $@ $<

$(BUILD)/bench/fill_sessions: tests/bench/fill_sessions.c $(BUILD)/libmodules.a
	@mkdir -p $(@D)
	$(CC) $(ALLCFLAGS) $(LDFLAGS) -pie -o $@ $< $(BUILD)/libmodules.a $(LIBS)

bench: $(BUILD)/mcp-authd $(BUILD)/bench/fixed  ## CPU time and rate of calls beside a FastCGI program that does nothing but answer and log
	@scripts/deps test
	@BUILD=$(abspath $(BUILD)) MCP_AUTHD=$(abspath $(BUILD)/mcp-authd) tests/node tests/bench/bench.mjs

bench-instructions: $(BUILD)/mcp-authd $(addprefix $(BUILD)/bench/,fixed count_allocations.so fill_sessions)  ## instructions, allocations and system calls of a call
	@scripts/deps test
	@BUILD=$(abspath $(BUILD)) MCP_AUTHD=$(abspath $(BUILD)/mcp-authd) tests/node tests/bench/instructions.mjs

bench-peers: $(BUILD)/mcp-authd $(BUILD)/bench/fixed  ## the same call by mod_auth_openidc, the official SDKs and fastmcp
	@scripts/deps peers
	@BUILD=$(abspath $(BUILD)) MCP_AUTHD=$(abspath $(BUILD)/mcp-authd) tests/node tests/bench/peers.mjs

bench-tools: $(BUILD)/mcp-authd  ## CPU time of a call of a tool that is a program
	@scripts/deps test
	@MCP_AUTHD=$(abspath $(BUILD)/mcp-authd) tests/node tests/bench/tools.mjs

bench-servers: $(BUILD)/mcp-authd  ## a call of an MCP server on stdio, beside the bare server and gateways of npm without a login
	@scripts/deps peers
	@BUILD=$(abspath $(BUILD)) MCP_AUTHD=$(abspath $(BUILD)/mcp-authd) tests/node tests/bench/servers.mjs

bench-calls: $(BUILD)/mcp-authd  ## what calls that run long cost other users, and their memory
	@scripts/deps test
	@MCP_AUTHD=$(abspath $(BUILD)/mcp-authd) tests/node tests/bench/calls.mjs

bench-login: $(BUILD)/mcp-authd $(BUILD)/bench/fixed_login  ## CPU time of a login with upstreams over TLS, DynamoDB calls and request units, memory of 64 workers
	@scripts/deps test
	@BUILD=$(abspath $(BUILD)) MCP_AUTHD=$(abspath $(BUILD)/mcp-authd) tests/node tests/bench/login.mjs

bench-sites: $(BUILD)/mcp-authd  ## 1,000 sites: memory, start, reload, instructions of a call; two noisy sites beside a quiet one
	@scripts/deps test
	@MCP_AUTHD=$(abspath $(BUILD)/mcp-authd) tests/node tests/bench/sites.mjs

$(BUILD)/bench/streams_client: tests/bench/streams_client.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -D_GNU_SOURCE -o $@ $<

bench-streams: $(BUILD)/mcp-authd $(BUILD)/bench/streams_client  ## 10,000 and 16,000 idle streams through lighttpd: memory, how soon they are told
	@scripts/deps test
	@BUILD=$(abspath $(BUILD)) MCP_AUTHD=$(abspath $(BUILD)/mcp-authd) tests/node tests/bench/streams.mjs

bench-all: $(addprefix $(BUILD)/,mcp-authd $(addprefix bench/,fixed fixed_login count_allocations.so fill_sessions streams_client))  ## all figures of docs/performance.md
	@scripts/deps test
	@scripts/deps peers
	@BUILD=$(abspath $(BUILD)) MCP_AUTHD=$(abspath $(BUILD)/mcp-authd) tests/node tests/bench/all.mjs

# --- installing

man: $(BUILD)/mcp-authd  ## write the manual pages that are made from the program and from docs/
	scripts/man $(BUILD)/mcp-authd $(BUILD)/man

# What the Debian package takes; it has its own way with documents, manual pages and units.
install-files: $(BUILD)/mcp-authd
	install -D -m 755 $(BUILD)/mcp-authd $(DESTDIR)$(PREFIX)/sbin/mcp-authd
	[ -e $(DESTDIR)/etc/mcp-authd/mcp-authd.conf ] || \
	  install -D -m 644 conf/mcp-authd.conf $(DESTDIR)/etc/mcp-authd/mcp-authd.conf
	install -d $(DESTDIR)/etc/mcp-authd/tools.d $(DESTDIR)/etc/mcp-authd/resources.d \
	  $(DESTDIR)/etc/mcp-authd/prompts.d $(DESTDIR)/etc/mcp-authd/servers.d $(DESTDIR)/etc/mcp-authd/skills.d $(DESTDIR)/etc/mcp-authd/clients.d
	install -D -m 644 conf/fail2ban/filter.d/mcp-authd.conf $(DESTDIR)$(PREFIX)/share/doc/mcp-authd/fail2ban/filter.d/mcp-authd.conf
	install -D -m 644 conf/fail2ban/jail.d/mcp-authd.conf $(DESTDIR)$(PREFIX)/share/doc/mcp-authd/fail2ban/jail.d/mcp-authd.conf
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/mcp-authd/words share/words/*
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/mcp-authd/templates share/templates/*
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/mcp-authd/clients.d share/clients.d/*
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/mcp-authd/tools.d share/tools.d/*.json
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/share/mcp-authd/tools.d share/tools.d/*.sh
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/share/mcp-authd/hosting share/hosting/*
	install -D -m 755 scripts/outputs-to-conf $(DESTDIR)$(PREFIX)/share/mcp-authd/outputs-to-conf
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/mcp-authd/cloudwatch conf/cloudwatch/*
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/mcp-authd/grafana conf/grafana/*
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/mcp-authd/tools.d/python share/tools.d/python/*
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/mcp-authd/tools.d/app share/tools.d/app/*
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/mcp-authd/resources.d share/resources.d/*
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/mcp-authd/tools.d/c share/tools.d/c/*.json share/tools.d/c/*.c
	install -D -m 644 -t $(DESTDIR)/etc/lighttpd conf/lighttpd/mcp-authd-*.conf
	install -D -m 644 conf/lighttpd/50-mcp-authd.conf $(DESTDIR)/etc/lighttpd/conf-available/50-mcp-authd.conf
	install -D -m 644 -t $(DESTDIR)/etc/apache2/conf-available conf/apache/*.conf
	install -D -m 644 -t $(DESTDIR)/etc/nginx/snippets conf/nginx/*.conf
	install -D -m 644 conf/caddy/mcp-authd.caddy $(DESTDIR)/etc/caddy/mcp-authd.caddy
	install -D -m 644 conf/logrotate/mcp-authd $(DESTDIR)/etc/logrotate.d/mcp-authd
	install -D -m 644 conf/completion/mcp-authd $(DESTDIR)$(PREFIX)/share/bash-completion/completions/mcp-authd

install: install-files man  ## install under DESTDIR
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/mcp-authd README.md docs/*.md
	scripts/installed-links $(DESTDIR)$(PREFIX)/share/doc/mcp-authd/*.md
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man5 $(BUILD)/man/mcp-authd.conf.5
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man7 $(BUILD)/man/mcp-authd-tool.7
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 man/mcp-authd.8
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/systemd/system conf/systemd/*.service conf/systemd/*.socket

deb:  ## build the Debian package, from source, into build/deb
	@scripts/deps deb
	@scripts/deb

deb-test:  ## the package in minimal Debian 12 and 13: build, install, use, upgrade, purge, piuparts, autopkgtest, boot (needs root)
	tests/deb/run.sh bookworm
	tests/deb/run.sh trixie

boot-test:  ## run the boot script of the stack's hosts in a minimal Debian 13 with stand-ins for AWS (needs root)
	@scripts/deps test
	tests/node tests/aws/boot.mjs

clean:  ## remove what was built
	rm -rf build

.PHONY: all help deps demo test tests-built check asan guards conf unit valgrind replay fuzz pool-test e2e \
	e2e-lighttpd e2e-lighttpd-short e2e-apache e2e-nginx e2e-nginx-short e2e-caddy e2e-policies conformance conformance-servers browser-server conformance-sites warnings infra \
	bench bench-instructions bench-peers bench-tools bench-servers bench-calls bench-login bench-sites bench-streams bench-all \
	man install-files install deb deb-test boot-test clean
.SECONDARY:
-include $(OBJS:.o=.d) $(UNITS:=.d)
