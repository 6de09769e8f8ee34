#include "catalog/access.h"

#include "catalog/access_rules.h"

/* ---- reading ---- */

/* A list of words of "run". */
struct words {
    const char *member, *what;
    bool is_scopes;
    size_t bytes_max;
};

/* Scopes are sent in a header: RFC 6749 §3.3, scope-token. Groups have no spaces in their names. */
static bool is_word(const char *s, bool is_scope) {
    const char *p = s;

    while (p && (unsigned char)*p > ' ' && *p != 0x7f &&
           !(is_scope && (*p == '"' || *p == '\\' || (unsigned char)*p > '~')))
        p++;
    return p && p > s && !*p;
}

/* The manifest itself has the members, or its "run". */
static const char *prefix_of(const struct manifest *m, const struct json *run) {
    return m->v && run != m->v ? "run." : "";
}

static enum rc words_error(const struct manifest *m, const struct json *run,
                           const struct words *w) {
    return manifest_errorf(m, "%s%s must be an array of %s", prefix_of(m, run), w->member, w->what);
}

static enum rc read_words(const struct manifest *m, const struct json *run, const struct words *w,
                          const char **out) {
    const struct json *list = json_get(run, w->member);
    struct buf b;

    if (json_has(run, w->member) && !json_is_array(list))
        return words_error(m, run, w);
    buf_init(&b, m->keep, w->bytes_max);
    for (size_t i = 0; i < json_len(list); i++) {
        const char *word = json_str(json_at(list, i));

        if (!is_word(word, w->is_scopes))
            return words_error(m, run, w);
        if (!list_has(b.p, word))
            buf_addf(&b, "%s%s", b.len ? " " : "", word);
    }
    *out = b.p;
    if (!w->is_scopes && json_has(run, w->member) && !b.len)
        return words_error(m, run, w);
    return b.overflow ? manifest_errorf(m, "%s%s have more than %zu bytes", prefix_of(m, run),
                                        w->member, w->bytes_max)
                      : OK;
}

static bool is_claim_value(const struct json *v) {
    return json_is_string(v) || json_is_number(v) || json_is_bool(v);
}

static bool is_claim(const struct json *v) {
    bool ok = json_is_array(v) ? json_len(v) > 0 : is_claim_value(v);

    for (size_t i = 0; ok && i < json_len(v); i++)
        ok = is_claim_value(json_at(v, i));
    return ok;
}

static enum rc read_claims(const struct manifest *m, const struct json *run, struct json **out) {
    const struct json *claims = json_get(run, "required_claims");
    bool ok = json_is_object(claims) && json_size(claims) <= ACCESS_CLAIMS_MAX;

    if (!json_has(run, "required_claims"))
        return OK;
    for (struct json_member member = json_first(claims); ok && member.key; json_next(&member))
        ok = is_claim(member.value);
    if (!ok)
        return manifest_errorf(
            m,
            "%srequired_claims must be an object of at most %d claims, each with a "
            "string, a number, true or false, or an array of those",
            prefix_of(m, run), ACCESS_CLAIMS_MAX);
    *out = json_clone(m->keep, claims);
    return OK;
}

enum rc access_read(const struct manifest *m, const struct json *run, struct access *out) {
    static const struct words scopes = {"scopes", "scopes", true, ACCESS_SCOPES_BYTES_MAX};
    static const struct words groups = {"groups", "names of groups, at least one", false,
                                        ACCESS_GROUPS_BYTES_MAX};

    return read_words(m, run, &scopes, &out->scopes) || read_words(m, run, &groups, &out->groups)
               ? m->e->code
               : read_claims(m, run, &out->claims);
}

/* ---- checking ---- */

bool access_is_restricted(const struct access *access) {
    return *access->scopes || *access->groups || access->claims || access->rules;
}

static bool is_equal(struct arena *a, const struct json *v, const struct json *other) {
    return text_equal(json_as_text(a, v), json_as_text(a, other));
}

/* Either may be an array, of which one value is enough. */
static bool has_claim(struct arena *a, const struct json *claim, const struct json *wanted) {
    const bool is_list = json_is_array(wanted);
    const struct json *list = is_list ? wanted : claim;
    bool found = false;

    if (!json_is_array(list))
        return claim && is_equal(a, claim, wanted);
    for (size_t i = 0; !found && i < json_len(list); i++)
        found = is_list ? has_claim(a, claim, json_at(list, i))
                        : json_at(list, i) && is_equal(a, json_at(list, i), wanted);
    return found;
}

static bool has_claims(const struct json *wanted, struct caller *caller) {
    const struct json *all = caller_claims(caller);
    bool ok = true;

    for (struct json_member m = json_first(wanted); ok && m.key; json_next(&m))
        ok = has_claim(caller->arena, json_get(all, m.key), m.value);
    return ok;
}

bool access_admits(const struct access *access, struct caller *caller) {
    return (!*access->groups || caller_is_in_group(caller, access->groups)) &&
           (!access->claims || has_claims(access->claims, caller)) &&
           access_rules_admit(access->rules, caller);
}

bool access_is_allowed(const struct access *access, struct caller *caller) {
    return list_covers(caller->scopes, access->scopes) && access_admits(access, caller);
}
