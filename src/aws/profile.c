#include "aws/profile.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/file.h"

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
        return err_set(e, ERR_MISCONFIGURED, "%s has a NUL byte in it", path);
    *text = (char *)(uintptr_t)read.p;
    return OK;
}

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
                         struct aws_ini *out, struct err *e) {
    const char *path = file_path(a, env, file);
    char *text;

    out->first = NULL;
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
static bool has_plain_name(const struct aws_ini *ini, const char *name, bool in_config) {
    if (in_config && strcmp(name, "default") != 0)
        return false;
    for (const struct aws_ini_line *l = ini->first; in_config && l; l = l->next)
        if (is_profile(l->section, name))
            return false;
    return true;
}

static const char *find(const struct aws_ini *ini, const char *name, bool in_config,
                        const char *key) {
    const bool plain = has_plain_name(ini, name, in_config);
    const char *value = NULL;

    for (const struct aws_ini_line *l = ini->first; l; l = l->next)
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

    *out = (struct aws_profile){.env = env};
    out->is_named = name != NULL;
    out->name = name ? name : "default";
    if (load_file(a, env, &credentials, &out->credentials, e) ||
        load_file(a, env, &config, &out->config, e))
        return e->code;
    out->exists =
        find(&out->credentials, out->name, false, "") || find(&out->config, out->name, true, "");
    if (out->is_named && !out->exists)
        return err_set(e, ERR_MISCONFIGURED,
                       "AWS_PROFILE names %.64s, which is in neither the shared credentials file "
                       "nor the shared config file",
                       out->name);
    return OK;
}

const char *aws_profile_get(const struct aws_profile *p, const char *key) {
    const char *value = find(&p->credentials, p->name, false, key);

    if (!value || !*value)
        value = find(&p->config, p->name, true, key);
    return value && *value ? value : NULL;
}

const char *aws_profile_get_service(struct arena *a, const struct aws_profile *p,
                                    const char *service, const char *key) {
    const char *name = aws_profile_get(p, "services"), *value = NULL;
    const char *section = name ? arena_printf(a, "services %s", name) : "";
    const char *nested = arena_printf(a, "%s.%s", service, key);

    for (const struct aws_ini_line *l = p->config.first; name && l; l = l->next)
        if (!strcmp(l->section, section) && !strcmp(l->key, nested))
            value = l->value;
    return value && *value ? value : NULL;
}

enum rc aws_setting_flag(const struct aws_profile *p, const char *variable, const char *key,
                         bool *out, struct err *e) {
    const char *value = aws_env_get(p->env, variable);

    if (!value)
        value = aws_profile_get(p, key);
    *out = value && !strcasecmp(value, "true");
    if (value && !*out && strcasecmp(value, "false") != 0)
        return err_set(e, ERR_MISCONFIGURED, "%s (or %s in the profile) must be true or false",
                       variable, key);
    return OK;
}
