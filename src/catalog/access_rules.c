#include "catalog/access_rules.h"

#include "base/line_file.h"

#define RULES_ARENA_MAX ((size_t)4 << 20)
#define BLANKS " \t\r\n"

struct who {
    enum who_kind { WHO_GROUP, WHO_SCOPE, WHO_CLIENT, WHO_USER, WHO_SUB, WHO_KINDS } kind;
    const char *name;
};

struct access_rule {
    bool allows, is_for_all; /* of the callers */
    bool is_used;            /* it was about some entry */
    const char *kind;        /* NULL: of any kind */
    const char *glob;
    const struct who *who;
    size_t who_count;
    unsigned line;
};

struct access_rules {
    struct arena *arena;
    struct access_rule all[ACCESS_RULES_MAX];
    size_t count;
};

/* ---- reading ---- */

struct reading {
    struct line_file file;
    struct access_rules *r;
    const char *const *kinds;
};

/* The NAME of WORD:NAME; NULL: the text begins otherwise. */
static const char *name_after(const char *text, const char *word) {
    size_t len = strlen(word);

    return !strncmp(text, word, len) && text[len] == ':' ? text + len + 1 : NULL;
}

static void kinds_expected(struct reading *l, const char *what) {
    char known[128] = "";

    for (size_t i = 0, n = 0; l->kinds[i] && n < sizeof known; i++)
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s:", i ? ", " : "", l->kinds[i]);
    line_file_bad(&l->file, "%.80s: expected * or one of %s with a name, such as tool:admin_*",
                  what, known);
}

static bool read_what(struct reading *l, const char *what, struct access_rule *out) {
    const char *glob = NULL;

    out->glob = "*";
    if (!strcmp(what, "*"))
        return true;
    for (size_t i = 0; l->kinds[i] && !glob; i++) {
        glob = name_after(what, l->kinds[i]);
        out->kind = l->kinds[i];
    }
    if (!glob || !*glob)
        kinds_expected(l, what);
    else if (strchr(glob, '%'))
        line_file_bad(&l->file,
                      "%.80s: write the character itself in place of %%XX, since URIs are decoded "
                      "before they are compared",
                      what);
    else
        out->glob = arena_strdup(l->r->arena, glob);
    return glob && *glob && !strchr(glob, '%');
}

static bool read_who(struct reading *l, const char *word, struct who *out) {
    static const char *const words[WHO_KINDS] = {"group", "scope", "client", "user", "sub"};
    const char *name = NULL;

    for (int i = 0; i < WHO_KINDS && !name; i++) {
        name = name_after(word, words[i]);
        out->kind = (enum who_kind)i;
    }
    if (!name || !*name) {
        line_file_bad(
            &l->file,
            "%.80s: expected * or one of group:, scope:, client:, user:, sub: with a name", word);
        return false;
    }
    out->name = arena_strdup(l->r->arena, name);
    return true;
}

/* The rest of the line. */
static bool read_all_who(struct reading *l, char **save, struct access_rule *out) {
    struct who who[ACCESS_WHO_MAX];
    const char *word;
    size_t size;

    while ((word = strtok_r(NULL, BLANKS, save)) && *word != '#') {
        if (!strcmp(word, "*")) {
            out->is_for_all = true;
        } else if (out->who_count == ACCESS_WHO_MAX) {
            line_file_bad(&l->file, "a rule has at most %d groups, scopes, clients and users",
                          ACCESS_WHO_MAX);
            return false;
        } else if (!read_who(l, word, &who[out->who_count++])) {
            return false;
        }
    }
    if (!out->who_count && !out->is_for_all) {
        line_file_bad(&l->file, "the rule does not say for whom: * for everybody, or group:NAME");
        return false;
    }
    size = out->who_count * sizeof *who;
    out->who = size ? memcpy(arena_alloc(l->r->arena, size), who, size) : NULL;
    return true;
}

static void read_line(void *reading, char *line) {
    struct reading *l = reading;
    struct access_rule rule = {.line = l->file.line};
    char *save = NULL, *verb = strtok_r(line, BLANKS, &save), *what;

    if (!verb || *verb == '#')
        return;
    rule.allows = !strcmp(verb, "allow");
    what = strtok_r(NULL, BLANKS, &save);
    if (!rule.allows && strcmp(verb, "deny") != 0)
        line_file_bad(&l->file, "%.80s: a rule begins with allow or deny", verb);
    else if (!what)
        line_file_bad(&l->file,
                      "expected allow or deny, what, and for whom, such as: deny tool:admin_* *");
    else if (l->r->count == ACCESS_RULES_MAX)
        line_file_bad(&l->file, "there are more than %d rules", ACCESS_RULES_MAX);
    else if (read_what(l, what, &rule) && read_all_who(l, &save, &rule))
        l->r->all[l->r->count++] = rule;
}

static struct access_rules *new_rules(void) {
    struct access_rules *r = xcalloc(1, sizeof *r);

    r->arena = arena_new(RULES_ARENA_MAX);
    return r;
}

struct access_rules *access_rules_load(const char *path, const char *const *kinds, FILE *problems) {
    struct access_rules *r = new_rules();
    struct reading l = {
        .file = {.path = path,
                 .problems = problems,
                 .line_bytes_max = ACCESS_LINE_BYTES_MAX,
                 .bytes_max = ACCESS_FILE_BYTES_MAX,
                 .too_long = arena_printf(
                     r->arena, "the line has more than %d bytes, or the file more than %d",
                     ACCESS_LINE_BYTES_MAX, ACCESS_FILE_BYTES_MAX)},
        .r = r,
        .kinds = kinds};
    const char *why;

    if (!line_file_read(&l.file, read_line, &l, &why)) {
        (void)fprintf(problems, "ACCESS_FILE %s: %s\n", path, why);
        l.file.bad++;
    }
    if (!l.file.bad)
        return r;
    access_rules_free(r);
    return NULL;
}

struct access_rules *access_rules_deny_all(void) {
    struct access_rules *r = new_rules();

    r->all[r->count++] = (struct access_rule){.is_for_all = true, .glob = "*"};
    return r;
}

void access_rules_free(struct access_rules *r) {
    if (!r)
        return;
    arena_free(r->arena);
    free(r);
}

/* ---- which rules are about an entry ---- */

/* A * is any text. Goes back to the last one only, which is enough (each earlier one has matched as
 * little as it can), so a long text costs at most its length times that of the glob. */
static bool glob_matches(const char *glob, const char *text) {
    const char *star = NULL, *again = NULL;

    while (*text) {
        if (*glob == '*') {
            star = glob++;
            again = text;
        } else if (*glob == *text) {
            glob++;
            text++;
        } else if (star) {
            glob = star + 1;
            text = ++again;
        } else {
            return false;
        }
    }
    return !glob[strspn(glob, "*")];
}

const struct access_rule **access_rules_about(struct access_rules *r, struct arena *a,
                                              const char *kind, const char *name) {
    const struct access_rule *found[ACCESS_RULES_MAX + 1], **out;
    size_t n = 0, size;
    bool denies = false;

    for (size_t i = 0; r && i < r->count; i++) {
        struct access_rule *rule = &r->all[i];

        if ((rule->kind && strcmp(rule->kind, kind) != 0) || !glob_matches(rule->glob, name))
            continue;
        if (!a && !rule->is_used)
            rule->is_used = true;
        if (rule->is_for_all) { /* it decides for each caller what those before it say */
            n = 0;
            denies = false;
        }
        found[n++] = rule;
        denies = denies || !rule->allows;
    }
    if (!denies)
        return NULL;
    found[n++] = NULL;
    size = n * sizeof *found;
    out = a ? arena_alloc(a, size) : xmalloc(size);
    return memcpy(out, found, size);
}

/* ---- who ---- */

static bool is_who(const struct who *who, struct caller *caller) {
    switch (who->kind) {
    case WHO_GROUP:
        return caller_is_in_group(caller, who->name);
    case WHO_SCOPE:
        return list_has(caller->scopes, who->name);
    case WHO_CLIENT:
        return !strcmp(caller->client_id, who->name);
    case WHO_USER:
        return !strcmp(caller->username, who->name);
    default:
        return !strcmp(caller->sub, who->name);
    }
}

bool access_rules_admit(const struct access_rule *const *rules, struct caller *caller) {
    size_t n = 0;

    while (rules && rules[n])
        n++;
    while (n) {
        const struct access_rule *rule = rules[--n];
        bool is_for = rule->is_for_all;

        for (size_t i = 0; !is_for && i < rule->who_count; i++)
            is_for = is_who(&rule->who[i], caller);
        if (is_for)
            return rule->allows;
    }
    return true;
}

void access_rules_warn(const struct access_rules *r, const char *kind, const char *path,
                       FILE *out) {
    for (size_t i = 0; r && i < r->count; i++)
        if (r->all[i].kind && !strcmp(r->all[i].kind, kind) && !r->all[i].is_used)
            (void)fprintf(out, "%s:%u: warning: there is no %s %s\n", path, r->all[i].line, kind,
                          r->all[i].glob);
}
