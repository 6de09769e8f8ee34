/* Private part of config.h: what its files share while a configuration is read. */
#pragma once

#include <stdio.h>

#include "base/url.h"

struct config;

/* A value as it was written, without quotes and comment. */
struct given {
    const char *text; /* NULL: not given */
    unsigned line;    /* 0: by the environment */
    bool refused;     /* an error was reported: what follows from the value is not reported too */
};

struct loading {
    struct config *c;
    FILE *errors;
    const char *path;    /* NULL: environment only */
    struct given *given; /* by index in config_keys */
    unsigned bad;
};

/* The index of a key in config_keys; config_key_count: there is none of this name. */
size_t config_key_index(const char *name);
/* Reports an error in one line of text: of the whole file (line 0), or of one of its lines. */
void config_fault(struct loading *l, unsigned line, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Reports an error in a key's value, with file, line, key and value. Only the first error of a
 * value is reported. */
void config_refuse(struct loading *l, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
bool config_is_refused(const struct loading *l, const char *key);
/* What was read of it; NULL: nothing. */
const char *config_given(const struct loading *l, const char *key);
/* Text that somebody wrote, for a message, which may go to a terminal. */
const char *config_shown(struct loading *l, const char *text);

/* read.c: the file and the environment. false: there is no such file. */
bool config_read(struct loading *l);
void config_check_rest(struct loading *l); /* check.c: the same of all other keys */
/* check.c: the text without slashes at its end. */
const char *config_without_slashes(struct arena *a, const char *text);
/* check.c: https, or plain http where the host is loopback; no user info, query or fragment.
 * false for "" too. */
bool config_check_url(struct loading *l, const char *key, const char *text, struct url *u);
