#include "aws/profile.h"

#include <ctype.h>
#include <errno.h>
#include <unistd.h>

#include "base/file.h"
#include "base/utf8.h"

#define KEY_MAX 128 /* bytes; AWS's longest has about 40 */

const char *aws_env_get(const struct aws_env *env, const char *name) {
    size_t len = strlen(name);

    for (const char *const *v = env->vars; v && *v; v++)
        if (!strncmp(*v, name, len) && (*v)[len] == '=')
            return (*v)[len + 1] ? *v + len + 1 : NULL;
    return NULL;
}

enum rc aws_file_read(struct arena *a, const char *path, char **text, struct err *e) {
    struct text read;
    struct err why;

    if (file_read(a, path, AWS_FILE_MAX, &read, &why))
        return err_set(e, why.code, "%s %s", path, why.text);
    if (strlen(read.p) < read.len)
        return misconfigured(e, "%s has a NUL byte in it", path);
    *text = (char *)(uintptr_t)read.p;
    return OK;
}

/* ---- the format of the shared files: [section], key = value, comments, lines that go on, and keys
 * nested in a key without a value ---- */

struct reader {
    struct arena *arena;
    const char *file;
    unsigned line_number;
    const char *section, *key; /* those that the next line belongs to; NULL: none yet */
    struct aws_ini_line *last;
    struct aws_ini_line **next; /* where the next one is put */
};

static char *trim(char *s) {
    char *end = s + strlen(s);

    while (isspace((unsigned char)*s))
        s++;
    while (end > s && isspace((unsigned char)end[-1]))
        *--end = 0;
    return s;
}

static void add(struct reader *r, const char *key, const char *value) {
    struct aws_ini_line *line = arena_alloc(r->arena, sizeof *line);

    *line = (struct aws_ini_line){r->section, key, value, NULL};
    *r->next = r->last = line;
    r->next = &line->next;
}

static enum rc wrong(const struct reader *r, const char *why, struct err *e) {
    return misconfigured(e, "%s, line %u: %s", r->file, r->line_number, why);
}

/* [profile  "my work"] and [profile my work] are one. */
static enum rc open_section(struct reader *r, char *line, struct err *e) {
    char *end = strchr(line, ']');
    struct buf name;

    if (!end)
        return wrong(r, "a section begins with [ but has no ]", e);
    *end = 0;
    buf_init(&name, r->arena, AWS_FILE_MAX);
    for (const char *p = trim(line + 1); *p; p++) {
        if (*p == '"' || *p == '\'')
            continue;
        if (!isspace((unsigned char)*p))
            buf_addc(&name, *p);
        else if (name.len && name.p[name.len - 1] != ' ')
            buf_addc(&name, ' ');
    }
    r->section = name.p;
    r->key = NULL;
    add(r, "", "");
    return OK;
}

static enum rc read_property(struct reader *r, char *line, const char *parent, struct err *e) {
    char *equals = strchr(line, '='), *key;

    if (!equals)
        return wrong(r, "neither [section] nor key = value", e);
    *equals = 0;
    key = trim(line);
    for (char *p = key; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    if (strlen(key) > KEY_MAX)
        return wrong(r, "a key is too long", e);
    if (!*key)
        return wrong(r, "a value without a key", e);
    text_cut_comment(equals + 1, "#;"); /* a # within a secret has no blank before it */
    if (parent)
        key = arena_printf(r->arena, "%s.%s", parent, key);
    else
        r->key = key;
    add(r, key, trim(equals + 1));
    return OK;
}

/* An indented line is nested in a key that has no value, or goes on with the value above. Nothing
 * that is read here has more than one line, so what goes on is left out. */
static enum rc read_indented(struct reader *r, char *line, struct err *e) {
    const struct aws_ini_line *above = r->last;

    if (!r->key)
        return wrong(r, "indented, but not below a key", e);
    if (above->key != r->key || !*above->value)
        return read_property(r, line, r->key, e);
    return OK;
}

static enum rc read_line(struct reader *r, char *line, struct err *e) {
    bool indented = isspace((unsigned char)*line);
    char *text = trim(line);

    if (!*text || *text == '#' || *text == ';')
        return OK;
    if (*text == '[' && !indented)
        return open_section(r, text, e);
    if (!r->section)
        return wrong(r, "before the first [section]", e);
    return indented ? read_indented(r, text, e) : read_property(r, text, NULL, e);
}

enum rc aws_ini_parse(struct arena *a, const char *file, char *text, struct aws_ini_line **out,
                      struct err *e) {
    struct reader r = {.arena = a, .file = file, .next = out};
    char *line;

    *out = NULL;
    text += utf8_bom_length(text, strlen(text));
    while ((line = strsep(&text, "\n"))) {
        r.line_number++;
        if (read_line(&r, line, e))
            return e->code;
    }
    return OK;
}

/* ---- profiles ---- */

struct shared_file {
    const char *variable; /* names another path */
    const char *usual;    /* in the home directory */
};

/* A variable's path may begin with ~/. NULL: there is no file. */
static const char *file_path(struct arena *a, const struct aws_env *env,
                             const struct shared_file *file) {
    const char *named = aws_env_get(env, file->variable), *home = aws_env_get(env, "HOME");

    if (named && strncmp(named, "~/", 2) != 0)
        return named;
    return home ? arena_printf(a, "%s/%s", home, named ? named + 2 : file->usual) : NULL;
}

/* A file that is not there says nothing. Nor does the usual one if it may not be read, as of a
 * service that is kept out of home directories. */
static enum rc load_file(struct arena *a, const struct aws_env *env, const struct shared_file *file,
                         struct aws_ini_line **out, struct err *e) {
    const char *path = file_path(a, env, file);
    char *text;

    *out = NULL;
    if (!path)
        return OK;
    if (!aws_file_read(a, path, &text, e))
        return aws_ini_parse(a, path, text, out, e);
    if (e->code == ERR_MISSING &&
        (!aws_env_get(env, file->variable) || (access(path, F_OK) && errno == ENOENT)))
        return OK;
    e->code = ERR_MISCONFIGURED;
    return e->code;
}

static bool is_profile(const char *section, const char *name) {
    static const char prefix[] = "profile ";

    return !strncmp(section, prefix, sizeof prefix - 1) &&
           !strcmp(section + sizeof prefix - 1, name);
}

/* [name] in the credentials file; in the config file [profile name], and [default] if there is no
 * [profile default], which is not merged with it. */
static bool has_plain_name(const struct aws_ini_line *first, const char *name, bool in_config) {
    if (in_config && strcmp(name, "default") != 0)
        return false;
    for (const struct aws_ini_line *l = first; in_config && l; l = l->next)
        if (is_profile(l->section, name))
            return false;
    return true;
}

static const char *find(const struct aws_ini_line *first, const char *name, bool in_config,
                        const char *key) {
    const bool plain = has_plain_name(first, name, in_config);
    const char *value = NULL;

    for (const struct aws_ini_line *l = first; l; l = l->next)
        if ((plain ? !strcmp(l->section, name) : is_profile(l->section, name)) &&
            !strcmp(l->key, key))
            value = l->value; /* the last one counts */
    return value;
}

enum rc aws_profile_load(struct arena *a, const struct aws_env *env, struct aws_profile *out,
                         struct err *e) {
    static const struct shared_file credentials = {"AWS_SHARED_CREDENTIALS_FILE",
                                                   ".aws/credentials"},
                                    config = {"AWS_CONFIG_FILE", ".aws/config"};
    const char *name = aws_env_get(env, "AWS_PROFILE");

    *out = (struct aws_profile){.arena = a, .env = env, .name = name ? name : "default"};
    if (load_file(a, env, &credentials, &out->credentials, e) ||
        load_file(a, env, &config, &out->config, e))
        return e->code;
    if (name && !find(out->credentials, name, false, "") && !find(out->config, name, true, ""))
        return misconfigured(
            e,
            "AWS_PROFILE names %.64s, which is in neither the shared credentials file "
            "nor the shared config file",
            out->name);
    return OK;
}

const char *aws_profile_get(const struct aws_profile *p, const char *key) {
    const char *value = find(p->credentials, p->name, false, key);

    if (!value || !*value)
        value = find(p->config, p->name, true, key);
    return value && *value ? value : NULL;
}

const char *aws_profile_get_service(const struct aws_profile *p, const char *service,
                                    const char *key) {
    const char *name = aws_profile_get(p, "services"), *value = NULL;
    const char *section = name ? arena_printf(p->arena, "services %s", name) : "";
    const char *nested = arena_printf(p->arena, "%s.%s", service, key);

    for (const struct aws_ini_line *l = p->config; name && l; l = l->next)
        if (!strcmp(l->section, section) && !strcmp(l->key, nested))
            value = l->value;
    return value && *value ? value : NULL;
}

const char *aws_setting(const struct aws_profile *p, const char *variable, const char *key) {
    const char *value = aws_env_get(p->env, variable);

    return value ? value : aws_profile_get(p, key);
}

enum rc aws_setting_flag(const struct aws_profile *p, const char *variable, const char *key,
                         bool *out, struct err *e) {
    const char *value = aws_setting(p, variable, key);

    *out = value && !strcasecmp(value, "true");
    if (value && !*out && strcasecmp(value, "false") != 0)
        return misconfigured(e, "%s (or %s in the profile) must be true or false", variable, key);
    return OK;
}
