#include "catalog/manifest.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>

#include "base/text.h"
#include "base/url.h"

#define SCOPES_MAX 1024 /* bytes of the scopes of one manifest */

enum rc manifest_open(struct manifest *m, const char *dir) {
    char real_dir[PATH_MAX];
    enum rc rc;

    if (!realpath(dir, real_dir)) /* programs run there, so it must be absolute */
        return err_set(m->e, ERR_INVALID_REQUEST, "%s", strerror(errno));
    m->dir = arena_strdup(m->scratch, real_dir);
    m->given_dir = *dir == '/' ? dir : m->dir;
    rc = json_parse_file(m->scratch, arena_printf(m->scratch, "%s/%s", dir, m->file),
                         MANIFEST_BYTES_MAX, &m->v, m->e);
    if (!rc && !json_is_object(m->v))
        return manifest_bad(m, "a manifest", "must be a JSON object");
    return rc;
}

enum rc manifest_bad(const struct manifest *m, const char *member, const char *what) {
    return err_set(m->e, ERR_INVALID_REQUEST, "%s %s", member, what);
}

static bool is_known(const char *key, const char *const *names) {
    while (*names && strcmp(key, *names) != 0)
        names++;
    return *names;
}

enum rc manifest_members(const struct manifest *m, const struct json *object,
                         const char *const *names, const char *where) {
    struct json_member member;
    bool more = json_first(object, &member);
    const char *meant;

    while (more && is_known(member.key, names))
        more = json_next(&member);
    if (!more)
        return OK;
    meant = suggest(member.key, names);
    return err_set(m->e, ERR_INVALID_REQUEST, "unknown member \"%s\"%s%s%s%s",
                   text_quotable(m->scratch, member.key), where, meant ? "; did you mean " : "",
                   meant ? meant : "", meant ? "?" : "");
}

/* "Tool Names" */
bool manifest_is_name(const char *s) {
    size_t len = s ? strlen(s) : 0;

    if (!len || len > MANIFEST_NAME_MAX)
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '_' && *s != '-' && *s != '.')
            return false;
    return true;
}

enum rc manifest_common(const struct manifest *m, const struct json *v) {
    static const char *const strings[] = {"title", "description", NULL};
    static const char *const objects[] = {"annotations", "_meta", NULL};

    if (!manifest_is_name(json_get_str(v, "name")))
        return manifest_bad(m, "name", "must be 1 to 128 of A-Z a-z 0-9 _ - .");
    for (const char *const *s = strings; *s; s++)
        if (json_has(v, *s) && !json_is_string(json_get(v, *s)))
            return manifest_bad(m, *s, "must be a string");
    for (const char *const *s = objects; *s; s++)
        if (json_has(v, *s) && !json_is_object(json_get(v, *s)))
            return manifest_bad(m, *s, "must be an object");
    if (json_has(v, "icons") && !json_is_array(json_get(v, "icons")))
        return manifest_bad(m, "icons", "must be an array");
    return OK;
}

enum rc manifest_limit(const struct manifest *m, const struct json *run,
                       const struct manifest_limit *limit, int64_t *out) {
    *out = limit->standard;
    if (!json_has(run, limit->member))
        return OK;
    if (json_get_int(run, limit->member, out) && *out >= limit->min && *out <= limit->max)
        return OK;
    return err_set(m->e, ERR_INVALID_REQUEST, "run.%s must be an integer from %lld to %lld",
                   limit->member, (long long)limit->min, (long long)limit->max);
}

/* RFC 6749 §3.3 scope-token, since scopes are sent in a header. */
static bool is_scope(const char *s) {
    if (!s || !*s)
        return false;
    for (; *s; s++)
        if (*s <= ' ' || *s > '~' || *s == '"' || *s == '\\')
            return false;
    return true;
}

enum rc manifest_scopes(const struct manifest *m, const struct json *run, const char **out) {
    const struct json *scopes = json_get(run, "scopes");
    struct buf b;

    if (json_has(run, "scopes") && !json_is_array(scopes))
        return manifest_bad(m, "run.scopes", "must be an array of scopes");
    buf_init(&b, m->keep, SCOPES_MAX);
    for (size_t i = 0; i < json_len(scopes); i++) {
        const char *scope = json_str(json_at(scopes, i));

        if (!is_scope(scope))
            return manifest_bad(m, "run.scopes", "must be an array of scopes");
        if (!list_has(b.p, scope))
            buf_addf(&b, "%s%s", b.len ? " " : "", scope);
    }
    *out = b.p;
    return b.overflow ? manifest_bad(m, "run.scopes", "are too long") : OK;
}

/* ---- sources ---- */

size_t source_count(const struct manifest *m, const struct json *run) {
    size_t n = 0;

    for (const struct source_kind *const *kind = m->sources->kinds; *kind; kind++)
        n += json_has(run, (*kind)->member);
    return n;
}

enum rc source_read(const struct manifest *m, const struct json *run, struct source *out) {
    const struct source_kind *const *kind = m->sources->kinds;

    while (*kind && !json_has(run, (*kind)->member))
        kind++;
    out->kind = *kind ? *kind : m->sources->kinds[0];
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

    if (!json_is_object(run))
        return manifest_bad(m, "run", "must be an object");
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
