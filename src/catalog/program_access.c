/* Private part of program.h: what a program may use: "home", "instance_metadata", "read", "write"
 * and "limits" of a manifest. Without them it may read the system's programs and libraries, and its
 * own directory (runner/landlock.h), and write to /tmp. */
#include "catalog/program.h"

#include <errno.h>
#include <limits.h>

#include "config/config.h"

/* ---- read and write ---- */

#define OUR_DIRECTORY "/etc/mcp-authd" /* keys, secrets and other tools */

/* Many programs need temporary files; a service manager can make it a directory of the runner's own
 * (systemd.exec(5), PrivateTmp=). */
static const char *const default_write[] = {"/tmp", NULL};

/* Is `inner` the same as `outer`, or below it? */
static bool is_within(const char *inner, const char *outer) {
    size_t len = strlen(outer);

    if (len && outer[len - 1] == '/') /* only the root ends so */
        len--;
    return !strncmp(inner, outer, len) && (!inner[len] || inner[len] == '/');
}

/* What a program must not get together with a path: NULL: nothing is in the way. A program's own
 * files may be below OUR_DIRECTORY. */
static const char *protected_by(const struct manifest *m, const char *real) {
    const struct config *c = m->config;
    const char *const ours[] = {c->secrets_dir, c->host_state_dir, c->secret_key_file};
    char other[PATH_MAX];

    if (is_within(OUR_DIRECTORY, real))
        return OUR_DIRECTORY;
    if (is_within(PROGRAM_PRIVATE_PARENT, real))
        return PROGRAM_PRIVATE_PARENT;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (ours[i] && *ours[i] && realpath(ours[i], other) &&
            (is_within(other, real) || is_within(real, other)))
            return ours[i];
    return NULL;
}

/* A directory that this process cannot look into may be one that the runner can. */
static enum rc check_path(const struct program_members *p, const char *member, const char *path) {
    const char *quoted = path ? text_quotable(p->m->scratch, path) : "", *ours;
    char real[PATH_MAX];

    if (!path || *path != '/')
        return program_errorf(p, ".%s: \"%s\" must be an absolute path", member, quoted);
    if (!realpath(path, real))
        return errno == EACCES ? OK
                               : program_errorf(p, ".%s: %s: %s", member, quoted, strerror(errno));
    ours = protected_by(p->m, real);
    return ours
               ? program_errorf(p,
                                ".%s: %s would open %s, where keys and secrets are: name only what "
                                "the program needs",
                                member, quoted, text_quotable(p->m->scratch, ours))
               : OK;
}

static enum rc read_paths(const struct program_members *p, const char *member, const char ***out) {
    const struct json *list = json_get(p->object, member);
    size_t n = json_len(list);

    if (json_has(p->object, member) && (!json_is_array(list) || n > PROGRAM_PATHS_MAX))
        return program_errorf(p, ".%s must be an array of at most %d absolute paths", member,
                              PROGRAM_PATHS_MAX);
    for (size_t i = 0; i < n; i++)
        if (check_path(p, member, json_str(json_at(list, i))))
            return p->m->e->code;
    *out = list ? manifest_strings(p->m, list, n) : arena_alloc(p->m->keep, sizeof **out);
    return OK;
}

/* ---- limits ---- */

#define OPEN_FILES_MIN 16 /* besides secrets, which are open files */
#define MEMORY_MIN ((int64_t)4 << 20)
#define SIZE_MAX_BYTES ((int64_t)1 << 40)

static const struct limit {
    const char *name;
    size_t member; /* offset in struct program_limits */
    bool is_size;  /* in bytes: may have a unit */
    int64_t min, max;
} limits[] = {
    {"memory", offsetof(struct program_limits, memory), true, MEMORY_MIN, SIZE_MAX_BYTES},
    {"file_size", offsetof(struct program_limits, file_size), true, 1, SIZE_MAX_BYTES},
    {"processes", offsetof(struct program_limits, processes), false, 1, 65536},
    {"cpu_weight", offsetof(struct program_limits, cpu_weight), false, 1, 10000},
    {"open_files", offsetof(struct program_limits, open_files), false, OPEN_FILES_MIN, 65536},
};
#define LIMITS (sizeof limits / sizeof *limits)

/* A number of bytes, or such as "512M", with the units of systemd.resource-control(5). */
static bool read_size(const struct json *v, int64_t *out) {
    static const char units[] = "KMGT";
    const char *s = json_str(v), *unit;
    char *end;

    if (json_int(v, out))
        return true;
    if (!s || *s < '0' || *s > '9')
        return false;
    errno = 0;
    *out = strtoll(s, &end, 10);
    unit = *end ? strchr(units, *end) : NULL;
    return !errno && unit && !end[1] &&
           !__builtin_mul_overflow(*out, (int64_t)1024 << (10 * (unit - units)), out);
}

static enum rc read_limit(const struct program_members *p, const struct limit *l,
                          const struct json *v, struct program_limits *out) {
    int64_t *value = (int64_t *)(void *)((char *)out + l->member);

    if ((l->is_size ? read_size(v, value) : json_int(v, value)) && *value >= l->min &&
        *value <= l->max)
        return OK;
    return program_errorf(p, ".limits.%s must be %s from %lld to %lld%s", l->name,
                          l->is_size ? "a number of bytes" : "an integer", (long long)l->min,
                          (long long)l->max,
                          l->is_size ? ", or such as \"512M\" (K, M, G, T)" : "");
}

static enum rc read_limits(const struct program_members *p, struct program_limits *out) {
    const struct json *given = json_get(p->object, "limits");
    const char *names[LIMITS + 1] = {NULL};

    if (!json_has(p->object, "limits"))
        return OK;
    if (!json_is_object(given))
        return program_errorf(p, ".limits must be an object");
    for (size_t i = 0; i < LIMITS; i++) {
        names[i] = limits[i].name;
        if (json_has(given, names[i]) && read_limit(p, &limits[i], json_get(given, names[i]), out))
            return p->m->e->code;
    }
    return manifest_check_members(p->m, given, names,
                                  arena_printf(p->m->scratch, " in %s.limits", p->where));
}

enum rc program_read_access(const struct program_members *p, struct program *out) {
    const size_t least = OPEN_FILES_MIN + out->secret_count;
    const char *home = arena_printf(p->m->scratch, "%s.home", p->where);
    const char *metadata = arena_printf(p->m->scratch, "%s.instance_metadata", p->where);

    if (manifest_read_bool(p->m, p->object, home, &out->home) ||
        manifest_read_bool(p->m, p->object, metadata, &out->instance_metadata) ||
        read_paths(p, "read", &out->read) || read_paths(p, "write", &out->write) ||
        read_limits(p, &out->limits))
        return p->m->e->code;
    if (!json_has(p->object, "write"))
        out->write = (const char **)(uintptr_t)default_write;
    /* With fewer it could not even load its libraries. */
    if (out->limits.open_files && (size_t)out->limits.open_files < least)
        return program_errorf(p,
                              ".limits.open_files must be at least %zu: %zu secrets are open files",
                              least, out->secret_count);
    return OK;
}
