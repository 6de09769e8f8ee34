#include "catalog/source.h"

#include "catalog/manifest.h"

static const struct source_kind *given_kind(const struct manifest *m, const struct json *run) {
    for (const struct source_kind *const *kind = m->sources->kinds; *kind; kind++)
        if (json_has(run, (*kind)->member))
            return *kind;
    return NULL;
}

size_t source_count(const struct manifest *m, const struct json *run) {
    size_t n = 0;

    for (const struct source_kind *const *kind = m->sources->kinds; *kind; kind++)
        n += json_has(run, (*kind)->member);
    return n;
}

enum rc source_read(const struct manifest *m, const struct json *run, struct source *out) {
    out->kind = given_kind(m, run);
    if (!out->kind)
        out->kind = m->sources->kinds[0];
    return out->kind->read(m, run, out);
}

bool source_option_is_given(const struct manifest *m, const struct json *run) {
    for (const struct source_kind *const *kind = m->sources->kinds; *kind; kind++)
        for (const char *const *option = (*kind)->options; *option; option++)
            if (json_has(run, *option))
                return true;
    return false;
}

static size_t count_names(const char *const *names) {
    size_t n = 0;

    while (names[n])
        n++;
    return n;
}

enum rc source_members(const struct manifest *m, const struct json *run, const char *const *own) {
    size_t n = 0, most = count_names(own) + 1;
    const char **names;

    for (const struct source_kind *const *kind = m->sources->kinds; *kind; kind++)
        most += 1 + count_names((*kind)->options);
    names = arena_alloc(m->scratch, most * sizeof *names);
    for (const struct source_kind *const *kind = m->sources->kinds; *kind; kind++) {
        names[n++] = (*kind)->member;
        for (const char *const *option = (*kind)->options; *option; option++)
            names[n++] = *option;
    }
    for (; *own; own++)
        names[n++] = *own;
    return manifest_members(m, run, names, " in run");
}
