/* `mcp-authd site`: the sites of SITES_DIR, as files. What it changes, the daemon reads with its
 * next reload. Each function here returns the exit status: 0, 1 (something is to be looked at) or 2
 * (nothing was done), and has said why. */
#pragma once

#include "config/sites.h"

/* The command with its own options; argv[0] is its name. */
int site_command(int argc, char **argv, const char *config_path);

#define EXIT_WRONG 2       /* or it was called wrongly */
#define SITE_VALUES_MAX 64 /* lines of a new file */
struct site_value {
    const char *key, *value;
};
/* What one call of the command is about. */
struct site_job {
    const char *config_path; /* of mcp-authd.conf */
    const char *dir;         /* SITES_DIR */
    const char *name;        /* the site; NULL: all */
    struct arena *arena;
    bool as_json;                    /* for site_list */
    const struct site_value *values; /* for site_add */
    unsigned value_count;
};

/* NAME.conf, or NAME.conf.disabled, in SITES_DIR. */
const char *site_path(const struct site_job *j, bool enabled);

/* ---- check.c ---- */

/* Reads this file as the site, together with all others, and tries as the service's user what it
 * names. Faults of other sites are counted and not shown. Unless 2 is returned, *set has it. */
struct site_set;
int site_check_file(const struct site_job *j, const char *file, struct site_set **set);
int site_check(const struct site_job *j); /* one, or all */

/* ---- list.c ---- */
int site_list(const struct site_job *j);

/* ---- files.c ---- */

/* These return 0 or 2. Writes NAME.conf when it has been checked: all of it or nothing, and never
 * in the place of another file. It has mode and owner of mcp-authd.conf. */
int site_add(const struct site_job *j);
int site_enable(const struct site_job *j);
int site_disable(const struct site_job *j);
