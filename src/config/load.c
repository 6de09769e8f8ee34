#include "config/load.h"

#include <stdarg.h>
#include <string.h>

#include "base/text.h"
#include "config/loading.h"

#define CONFIG_ARENA_MAX (8 << 20) /* each key has a line of 4096 bytes at most */
#define SHOWN_BYTES_MAX 200        /* of a value in a message */

const char *config_shown(struct loading *l, const char *text) {
    char *shown = arena_strndup(l->c->arena, text, strnlen(text, SHOWN_BYTES_MAX));

    text_mask_controls(shown);
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

struct config *config_load(const char *path, FILE *errors) {
    struct arena *a = arena_new(CONFIG_ARENA_MAX);
    struct loading l = {.c = arena_alloc(a, sizeof(struct config)), .errors = errors, .path = path};

    l.c->arena = a;
    l.given = arena_alloc(a, config_key_count * sizeof *l.given);
    if (config_read(&l)) {
        config_set_values(&l);
        config_check_rest(&l);
        config_check_provider(&l);
    }
    if (!l.bad)
        return l.c;
    arena_free(a);
    return NULL;
}
