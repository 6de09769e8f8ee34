# mcp-authd. `make help` lists the targets.

CC      ?= cc
BUILD   ?= build
VERSION := $(shell cat VERSION)

PKGS    := fcgi json-c libcurl libjwt-gnutls gnutls nettle
LIBS     = $(shell pkg-config --libs $(PKGS)) -llmdb
INCS     = $(shell pkg-config --cflags $(PKGS))
WARN    := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wformat=2 -Wstrict-prototypes \
           -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wundef -Wimplicit-fallthrough
ifneq ($(WERROR),)
WARN    += -Werror
endif
CFLAGS  ?= -O2 -g
HARDEN  := -fstack-protector-strong -fPIE -fvisibility=hidden -D_FORTIFY_SOURCE=2
HARDENL := -pie -Wl,-z,relro,-z,now
ifneq ($(SANITIZE),)
CFLAGS  := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
HARDEN  := -fstack-protector-strong -fPIE -fvisibility=hidden -DARENA_EACH_ALONE
LDFLAGS += -fsanitize=address,undefined
endif
ALLCFLAGS = -std=gnu11 -D_GNU_SOURCE -Isrc -DMCP_AUTHD_VERSION='"$(VERSION)"' \
            $(WARN) $(HARDEN) $(INCS) $(CPPFLAGS) $(CFLAGS) -MMD -MP

SRCS    := $(wildcard src/*.c src/*/*.c)
OBJS    := $(SRCS:src/%.c=$(BUILD)/obj/%.o)
ROOMS   := $(filter-out $(BUILD)/obj/main.o,$(OBJS))
UNITS   := $(wildcard tests/unit/test_*.c)
UNITEXE := $(UNITS:tests/unit/%.c=$(BUILD)/unit/%)

all: $(BUILD)/mcp-authd

$(BUILD)/mcp-authd: $(OBJS)
	$(CC) $(CFLAGS) $(HARDENL) $(LDFLAGS) -o $@ $(OBJS) $(LIBS)

$(BUILD)/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(ALLCFLAGS) -c -o $@ $<

# A unit test includes what it tests through headers and links every room but main.
$(BUILD)/librooms.a: $(ROOMS)
	rm -f $@ && ar rcs $@ $(ROOMS)

$(BUILD)/unit/%: tests/unit/%.c $(BUILD)/librooms.a
	@mkdir -p $(@D)
	$(CC) $(ALLCFLAGS) -Itests/unit $(HARDENL) $(LDFLAGS) -o $@ $< $(BUILD)/librooms.a $(LIBS) -lcmocka

units: $(UNITEXE)
	@for t in $(UNITEXE); do echo "$$t" && $$t || exit 1; done

clean:
	rm -rf build

.PHONY: all units clean
-include $(OBJS:.o=.d) $(UNITEXE:=.d)
