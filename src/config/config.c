#include "config/config.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "config/loading.h"

#define CONFIG_ARENA_MAX (8 << 20) /* each key has a line of 4096 bytes at most */
#define SHOWN_BYTES_MAX 200        /* of a value in a message */

static const struct {
    const char *name;
    unsigned bit;
} groups[] = {{"authorize", GROUP_AUTHORIZE},
              {"token", GROUP_TOKEN},
              {"metadata", GROUP_METADATA},
              {"mcp", GROUP_MCP}};
#define GROUP_COUNT (sizeof groups / sizeof *groups)

/* ---- what is said ---- */

const char *config_shown(struct loading *l, const char *text) {
    char *shown = arena_strndup(l->c->arena, text, strnlen(text, SHOWN_BYTES_MAX));

    for (char *p = shown; *p; p++)
        if (iscntrl((unsigned char)*p))
            *p = '?';
    return shown;
}

static struct given *given_of(struct loading *l, const char *key) {
    size_t i = 0;

    while (strcmp(config_keys[i].name, key) != 0)
        i++;
    return &l->given[i];
}

static void PRINTF_LIKE(4, 0)
    say(struct loading *l, unsigned line, const char *what, const char *fmt, va_list ap) {
    if (line)
        (void)fprintf(l->errors, "%s:%u: %s", l->path, line, what);
    else
        (void)fprintf(l->errors, "%s: %s", l->path ? l->path : "environment", what);
    (void)vfprintf(l->errors, fmt, ap);
    (void)fputc('\n', l->errors);
    l->bad++;
}

void config_fault(struct loading *l, unsigned line, const char *fmt, ...) {
    va_list ap;

    va_start(ap, fmt);
    say(l, line, "", fmt, ap);
    va_end(ap);
}

void config_refuse(struct loading *l, const char *key, const char *fmt, ...) {
    struct given *g = given_of(l, key);
    struct loading at = *l;
    va_list ap;

    if (g->refused)
        return;
    g->refused = true;
    if (g->text && !g->line)
        at.path = NULL;
    va_start(ap, fmt);
    say(&at, g->line,
        g->text ? arena_printf(l->c->arena, "%s=%s: ", key, config_shown(l, g->text))
                : arena_printf(l->c->arena, "%s: ", key),
        fmt, ap);
    va_end(ap);
    l->bad = at.bad;
}

bool config_is_refused(const struct loading *l, const char *key) {
    return given_of((struct loading *)(uintptr_t)l, key)->refused;
}

const char *config_given(const struct loading *l, const char *key) {
    return given_of((struct loading *)(uintptr_t)l, key)->text;
}

/* ---- loading ---- */

unsigned config_group(const char *name) {
    for (size_t i = 0; i < GROUP_COUNT; i++)
        if (!strcasecmp(groups[i].name, name))
            return groups[i].bit;
    return 0;
}

struct config *config_load(const char *path, FILE *errors) {
    struct arena *a = arena_new(CONFIG_ARENA_MAX);
    struct loading l = {.c = arena_alloc(a, sizeof(struct config)), .errors = errors, .path = path};

    l.c->arena = a;
    if (config_read(&l)) {
        config_set_values(&l);
        config_check_rest(&l);
        config_check_cognito(&l);
    }
    if (!l.bad)
        return l.c;
    arena_free(a);
    return NULL;
}

void config_free(struct config *c) {
    if (c)
        arena_free(c->arena);
}

static void dump_value(const struct config *c, const struct config_key *key, FILE *out) {
    const char *at = (const char *)c + key->offset;

    switch (key->kind) {
    case CONFIG_TEXT:
    case CONFIG_LIST:
        (void)fputs(*(const char *const *)(const void *)at, out);
        break;
    case CONFIG_BOOL:
        (void)fputs(*(const bool *)(const void *)at ? "yes" : "no", out);
        break;
    case CONFIG_NUMBER:
        (void)fprintf(out, "%u", *(const unsigned *)(const void *)at);
        break;
    case CONFIG_SIZE:
        (void)fprintf(out, "%zu", *(const size_t *)(const void *)at);
        break;
    case CONFIG_ENDPOINTS:
        for (size_t i = 0, n = 0; i < GROUP_COUNT; i++)
            if (c->endpoints & groups[i].bit)
                (void)fprintf(out, "%s%s", n++ ? " " : "", groups[i].name);
        break;
    case CONFIG_STORE:
        (void)fputs(c->session_store == SESSION_STORE_LMDB ? "lmdb" : "dynamodb", out);
        break;
    }
}

void config_dump(const struct config *c, FILE *out) {
    for (size_t i = 0; i < config_key_count; i++) {
        (void)fprintf(out, "%s=", config_keys[i].name);
        dump_value(c, &config_keys[i], out);
        (void)fputc('\n', out);
    }
}

static void print_help(const char *help, FILE *out) {
    while (*help) {
        size_t n = strcspn(help, "\n");

        (void)fprintf(out, "# %.*s\n", (int)n, help);
        help += n + (help[n] == '\n');
    }
}

static void print_topic(const char *first_key, FILE *out) {
    for (size_t i = 0; i < config_topic_count; i++)
        if (!strcmp(config_topics[i].first_key, first_key))
            (void)fprintf(out, "\n# ---- %s ----\n", config_topics[i].topic);
}

void config_print_annotated(FILE *out) {
    (void)fputs("# Configuration of mcp-authd: KEY=value, a line each. An environment variable of "
                "the same name\n# wins. Check with: mcp-authd -t -c FILE\n",
                out);
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];

        print_topic(key->name, out);
        if (*key->help)
            (void)fputc('\n', out);
        print_help(key->help, out);
        (void)fprintf(out, "#%s=%s\n", key->name, key->initial);
    }
}
