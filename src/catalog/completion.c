#include "catalog/completion.h"

#include "base/text.h"
#include "catalog/program.h"

static enum rc read_one(const struct manifest *m, struct json *v, struct completion *out) {
    if (json_is_object(v)) {
        static const char *const known[] = {"command", NULL};
        enum rc rc = manifest_members(m, v, known, " in run.complete");

        return rc ? rc
                  : program_read_plain(m, json_get(v, "command"), "run.complete", &out->source);
    }
    if (!json_is_array(v))
        return manifest_bad(m, "run.complete", "must have arrays of strings, or a command");
    for (size_t i = 0; i < json_len(v); i++)
        if (!json_str(json_at(v, i)))
            return manifest_bad(m, "run.complete", "must have arrays of strings, or a command");
    out->values = json_clone(m->keep, v);
    return OK;
}

enum rc completion_read(const struct manifest *m, const struct json *complete,
                        const struct json *names, const struct completion **out) {
    struct completion *list;
    struct json_member member;
    size_t n = 0;
    enum rc rc;

    *out = NULL;
    if (!complete)
        return OK;
    if (!json_is_object(complete))
        return manifest_bad(m, "run.complete", "must be an object");
    list = arena_alloc(m->keep, (json_size(complete) + 1) * sizeof *list);
    for (bool more = json_first(complete, &member); more; more = json_next(&member)) {
        if (!json_has(names, member.key))
            return err_set(m->e, ERR_INVALID_REQUEST, "run.complete has %s, which is no argument",
                           text_quotable(m->scratch, member.key));
        list[n].name = arena_strdup(m->keep, member.key);
        rc = read_one(m, member.value, &list[n++]);
        if (rc)
            return rc;
    }
    *out = list;
    return OK;
}
