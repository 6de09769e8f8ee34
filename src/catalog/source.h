/* The source of an entry's answers, from "run" of its manifest: a program, or another kind that
 * exec/ supplies. */
#pragma once

#include "base/base.h"
#include "base/json.h"

struct manifest;
struct tool;

struct source {
    const struct source_kind *kind; /* NULL: the entry has its content itself */
    const void *spec;               /* the kind's own structure */
    int64_t timeout_ms;             /* of one execution */
    bool gives_text;                /* so that a tool has no structured result */
};

struct source_kind {
    const char
        *member; /* the member of "run" that selects it, such as "command"; NULL: none does */
    const char *const *options; /* other members of "run" that belong to it, NULL-terminated */
    /* Fills all but the kind. ERR_INVALID_REQUEST with the reason. */
    enum rc (*read)(const struct manifest *m, const struct json *run, struct source *out);
};

/* The kinds of sources and the built-in tools, which exec/ supplies. */
struct catalog_sources {
    const struct source_kind *const *kinds; /* NULL-terminated; the first is the default */
    const struct tool *builtin_tools;
    size_t builtin_count;
};

/* The number of sources that "run" names. */
size_t source_count(const struct manifest *m, const struct json *run);
/* Reads the source. If there is none, the first kind reports what is missing. */
enum rc source_read(const struct manifest *m, const struct json *run, struct source *out) MUST_USE;
/* Checks that "run" has only the members in `own` and those of the kinds. */
enum rc source_members(const struct manifest *m, const struct json *run,
                       const char *const *own) MUST_USE;
/* Does "run" have an option of a source? It is valid only with that source. */
bool source_option_is_given(const struct manifest *m, const struct json *run);
