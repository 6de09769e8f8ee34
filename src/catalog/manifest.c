#include "catalog/manifest.h"

enum rc manifest_open(struct manifest *m) {
    enum rc rc = json_parse_file(m->scratch, arena_printf(m->scratch, "%s/%s", m->dir, m->file),
                                 MANIFEST_BYTES_MAX, &m->v, m->e);

    if (!rc && !json_is_object(m->v))
        return manifest_error(m, "a manifest", "must be a JSON object");
    return rc;
}

enum rc manifest_check_members(const struct manifest *m, const struct json *object,
                               const char *const *names, const char *where) {
    struct json_member member = json_first(object);
    const char *meant;

    while (member.key && text_is_one_of(member.key, names))
        json_next(&member);
    if (!member.key)
        return OK;
    meant = suggest(member.key, names);
    return manifest_errorf(m, "unknown member \"%s\"%s%s%s%s",
                           text_quotable(m->scratch, member.key), where,
                           meant ? "; did you mean " : "", meant ? meant : "", meant ? "?" : "");
}

const char **manifest_strings(const struct manifest *m, const struct json *array, size_t max) {
    const size_t n = json_len(array);
    const char **list = arena_alloc(m->keep, (n + 1) * sizeof *list);

    for (size_t i = 0; i < n; i++) {
        const char *s = json_str(json_at(array, i));

        if (!s)
            return NULL;
        list[i] = arena_strdup(m->keep, s);
    }
    return json_is_array(array) && n <= max ? list : NULL;
}

/* "Tool Names" */
bool manifest_is_name(const char *s) {
    size_t len =
        s ? strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.") : 0;

    return len && len <= MANIFEST_NAME_MAX && !s[len];
}

enum rc manifest_check_types(const struct manifest *m) {
    static const char *const strings[] = {"title", "description", "mimeType", NULL};
    static const char *const objects[] = {"annotations", "_meta", NULL};
    const struct json *v = m->v;

    for (const char *const *s = strings; *s; s++)
        if (json_has(v, *s) && !json_is_string(json_get(v, *s)))
            return manifest_error(m, *s, "must be a string");
    for (const char *const *s = objects; *s; s++)
        if (json_has(v, *s) && !json_is_object(json_get(v, *s)))
            return manifest_error(m, *s, "must be an object");
    if (json_has(v, "icons") && !json_is_array(json_get(v, "icons")))
        return manifest_error(m, "icons", "must be an array");
    return OK;
}

enum rc manifest_check_definition(const struct manifest *m, const char *const *names) {
    if (manifest_check_members(m, m->v, names, ""))
        return m->e->code;
    if (!manifest_is_name(json_get_str(m->v, "name")))
        return manifest_error(m, "name", "must be 1 to 128 of A-Z a-z 0-9 _ - .");
    return manifest_check_types(m);
}

enum rc manifest_read_bool(const struct manifest *m, const struct json *object, const char *path,
                           bool *out) {
    const char *dot = strrchr(path, '.'), *member = dot ? dot + 1 : path;

    *out = json_get_bool(object, member);
    return json_has(object, member) && !json_is_bool(json_get(object, member))
               ? manifest_error(m, path, "must be true or false")
               : OK;
}

enum rc manifest_read_limit(const struct manifest *m, const struct json *run,
                            const struct manifest_limit *limit, int64_t *out) {
    *out = limit->default_value;
    if (!json_has(run, limit->member))
        return OK;
    if (json_get_int(run, limit->member, out) && *out >= limit->min && *out <= limit->max)
        return OK;
    return manifest_errorf(m, "run.%s must be an integer from %lld to %lld", limit->member,
                           (long long)limit->min, (long long)limit->max);
}

/* ---- quotas ---- */

static enum rc read_quota_of(const struct manifest *m, const struct json *v, const char *where,
                             const char *member, uint32_t *out) {
    int64_t n = 0;

    if (json_get(v, member) && (!json_get_int(v, member, &n) || n < 1 || n > QUOTA_MAX))
        return manifest_errorf(m, "%s.%s must be an integer from 1 to %d", where, member,
                               QUOTA_MAX);
    *out = (uint32_t)n;
    return OK;
}

enum rc quota_read(const struct manifest *m, const struct json *object, const char *where,
                   const struct quota **out) {
    static const char *const names[] = {"user", "all", NULL};
    const struct json *v = json_get(object, "quota");
    struct quota *quota;

    *out = NULL;
    if (!json_has(object, "quota"))
        return OK;
    if (!json_is_object(v) || !json_size(v))
        return manifest_errorf(m, "%s.quota must be an object with \"user\", \"all\" or both",
                               where);
    *out = quota = arena_alloc(m->keep, sizeof *quota);
    quota->of = arena_printf(m->keep, "%s %.*s", m->kind, (int)(strlen(m->file) - strlen(".json")),
                             m->file);
    where = arena_printf(m->scratch, "%s.quota", where);
    return manifest_check_members(m, v, names, arena_printf(m->scratch, " in %s", where)) ||
                   read_quota_of(m, v, where, "user", &quota->user)
               ? m->e->code
               : read_quota_of(m, v, where, "all", &quota->all);
}

/* ---- sources ---- */

#define RUN_MEMBERS_MAX 64 /* that are known, of all kinds */

/* The first kind from this one on that "run" names; one without a member if there is none. */
static const struct source_executor *next_named(const struct source_executor *row,
                                                const struct json *run) {
    while (row->kind->member && !json_has(run, row->kind->member))
        row++;
    return row;
}

/* The first option of this kind that "run" has and `options` do not; NULL: none. */
static const char *next_option(const struct source_kind *kind, const struct json *run,
                               const char *const *options) {
    for (const char *const *option = kind->options; *option; option++)
        if (json_has(run, *option) && !text_is_one_of(*option, options))
            return *option;
    return NULL;
}

bool source_is_given(const struct manifest *m, const struct json *run) {
    return next_named(m->sources->kinds, run)->kind->member;
}

enum rc source_read(const struct manifest *m, const struct json *run, struct source *out) {
    const struct source_executor *kinds = m->sources->kinds, *row = next_named(kinds, run);
    const char *other = NULL;

    out->kind = row->kind->member ? row->kind : kinds->kind;
    for (row = kinds; !other && row->kind->member; row++)
        if (row->kind != out->kind)
            other = json_has(run, row->kind->member)
                        ? row->kind->member
                        : next_option(row->kind, run, out->kind->options);
    if (other)
        return manifest_errorf(m, "run must not have both %s and %s", out->kind->member, other);
    return out->kind->read(m, run, out);
}

enum rc source_check_absent(const struct manifest *m, const struct json *run) {
    static const char *const none[] = {NULL};

    for (const struct source_executor *row = m->sources->kinds; row->kind->member; row++) {
        const char *option = next_option(row->kind, run, none);

        if (option)
            return manifest_errorf(m, "run.%s is only valid with run.%s", option,
                                   row->kind->member);
    }
    return OK;
}

static size_t add_names(const char **names, size_t n, const char *const *more) {
    while (*more && n < RUN_MEMBERS_MAX)
        names[n++] = *more++;
    return n;
}

enum rc source_check_members(const struct manifest *m, const struct json *run,
                             const char *const *own) {
    const char *names[RUN_MEMBERS_MAX + 1];
    size_t n = 0;

    if (!json_is_object(run))
        return manifest_error(m, "run", "must be an object");
    for (const struct source_executor *row = m->sources->kinds; row->kind->member; row++) {
        n = add_names(names, n, (const char *const[]){row->kind->member, NULL});
        n = add_names(names, n, row->kind->options);
    }
    names[add_names(names, n, own)] = NULL;
    return manifest_check_members(m, run, names, " in run");
}
