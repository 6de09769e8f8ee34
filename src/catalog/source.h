/* What answers the calls of an entry of the catalog, as "run" of its manifest says: a program, or
 * what else the layer above knows. */
#ifndef CATALOG_SOURCE_H
#define CATALOG_SOURCE_H

#include "base/err.h"
#include "base/json.h"
#include <stdint.h>

struct manifest;
struct tool;

struct source {
    const struct source_kind *kind; /* NULL: the entry has its content itself */
    const void *spec;               /* the kind's own structure */
    int64_t timeout_ms;             /* of one execution */
    bool gives_text;                /* so that a tool has no structured result */
};

struct source_kind {
    const char *member;         /* of "run" that says so: "command"; NULL: no manifest has it */
    const char *const *options; /* other members of "run" that belong to it, NULL-terminated */
    /* Fills all but the kind. ERR_INVALID_REQUEST with the reason. */
    enum rc (*read)(const struct manifest *m, const struct json *run, struct source *out);
};

/* What the layer above can answer calls with. The catalog itself knows no call. */
struct catalog_sources {
    const struct source_kind *const *kinds; /* NULL-terminated; the first is the usual one */
    const struct tool *builtin_tools;
    size_t builtin_count;
};

/* How many of them does "run" name? */
size_t source_count(const struct manifest *m, const struct json *run);
/* Reads it. Without any, the first kind says what is missing. */
enum rc source_read(const struct manifest *m, const struct json *run, struct source *out) MUST_USE;
/* The members of "run" that are known: those in `own`, and those of every kind. */
enum rc source_members(const struct manifest *m, const struct json *run,
                       const char *const *own) MUST_USE;
/* Has "run" an option of a kind of source? Only beside that source it may. */
bool source_option_is_given(const struct manifest *m, const struct json *run);

#endif
