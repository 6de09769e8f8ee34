#include "config/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <strings.h>

#include "base/text.h"
#include "config/loading.h"

#define CONFIG_ARENA_MAX (8 << 20) /* each key has a line of 4096 bytes at most */
#define SHOWN_BYTES_MAX 200        /* of a value in a message */

/* ---- faults ---- */

const char *config_shown(struct loading *l, const char *text) {
    char *shown = arena_strndup(l->c->arena, text, strnlen(text, SHOWN_BYTES_MAX));

    text_mask_controls(shown);
    return shown;
}

size_t config_key_index(const char *name) {
    size_t i = 0;

    while (i < config_key_count && strcmp(config_keys[i].name, name) != 0)
        i++;
    return i;
}

static const char *place_of(struct loading *l, unsigned line, bool in_environment) {
    if (line)
        return arena_printf(l->c->arena, "%s:%u: ", l->path, line);
    return arena_printf(l->c->arena, "%s: ", in_environment || !l->path ? "environment" : l->path);
}

static void PRINTF_LIKE(4, 0)
    say(struct loading *l, const char *place, const char *what, const char *fmt, va_list ap) {
    (void)fprintf(l->errors, "%s%s", place, what);
    (void)vfprintf(l->errors, fmt, ap);
    (void)fputc('\n', l->errors);
    l->bad++;
}

void config_fault(struct loading *l, unsigned line, const char *fmt, ...) {
    va_list ap;

    va_start(ap, fmt);
    say(l, place_of(l, line, false), "", fmt, ap);
    va_end(ap);
}

void config_refuse(struct loading *l, const char *key, const char *fmt, ...) {
    struct given *g = &l->given[config_key_index(key)];
    const char *what = g->text ? arena_printf(l->c->arena, "%s=%s: ", key, config_shown(l, g->text))
                               : arena_printf(l->c->arena, "%s: ", key);
    va_list ap;

    if (g->refused)
        return;
    g->refused = true;
    va_start(ap, fmt);
    say(l, place_of(l, g->line, g->text), what, fmt, ap);
    va_end(ap);
}

bool config_is_refused(const struct loading *l, const char *key) {
    return l->given[config_key_index(key)].refused;
}

const char *config_given(const struct loading *l, const char *key) {
    return l->given[config_key_index(key)].text;
}

/* ---- groups of endpoints ---- */

static const struct {
    const char *name;
    unsigned bit;
} groups[] = {{"authorize", GROUP_AUTHORIZE},
              {"token", GROUP_TOKEN},
              {"metadata", GROUP_METADATA},
              {"mcp", GROUP_MCP}};
#define GROUP_COUNT (sizeof groups / sizeof *groups)

/* 0: there is no such group. */
static unsigned group_bit(const char *name) {
    for (size_t i = 0; i < GROUP_COUNT; i++)
        if (!strcasecmp(groups[i].name, name))
            return groups[i].bit;
    return 0;
}

/* ---- each value by its kind: read, and shown ---- */

static void set_number(struct loading *l, const struct config_key *key, const char *text) {
    unsigned long n;
    char *end;

    errno = 0;
    n = strtoul(text, &end, 10);
    if (errno || *end || !isdigit((unsigned char)*text) || n < key->min || n > key->max) {
        config_refuse(l, key->name, "must be a number from %u to %u, such as %s", key->min,
                      key->max, key->initial);
        return;
    }
    *(unsigned *)(void *)((char *)l->c + key->offset) = (unsigned)n;
}

static void set_bool(struct loading *l, const struct config_key *key, const char *text) {
    static const char *const words[][2] = {
        {"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (int yes = 0; yes < 2; yes++)
            if (!strcasecmp(text, words[i][yes])) {
                *(bool *)(void *)((char *)l->c + key->offset) = yes;
                return;
            }
    config_refuse(l, key->name, "must be yes or no");
}

/* Is this comma between two words? In an address it may be a part of it. */
static bool is_separator(const char *word, const char *comma) {
    return strchr(", \t", comma[1]) || !strncmp(comma + 1, "http", 4) ||
           !memmem(word, (size_t)(comma - word), "://", 3);
}

/* Words with one space between them, also of "a, b", "a,b" and "a  b". */
static const char *words_of(struct arena *a, const char *text) {
    const char *word = text;
    char *out = arena_strdup(a, text), *p = out;

    for (; *text; text++) {
        if (isspace((unsigned char)*text) || (*text == ',' && is_separator(word, text))) {
            if (p > out && p[-1] != ' ')
                *p++ = ' ';
            word = text + 1;
        } else {
            *p++ = *text;
        }
    }
    *p = 0;
    if (p > out && p[-1] == ' ')
        p[-1] = 0;
    return out;
}

static void set_endpoints(struct loading *l, const char *text) {
    char *copy = arena_strdup(l->c->arena, words_of(l->c->arena, text)), *save = NULL;

    l->c->endpoints = 0;
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        unsigned bit = group_bit(w);

        if (!bit)
            config_refuse(l, "ENDPOINTS", "\"%s\" is none of authorize, token, metadata, mcp",
                          config_shown(l, w));
        l->c->endpoints |= bit;
    }
    if (!l->c->endpoints)
        config_refuse(l, "ENDPOINTS", "must name at least one of authorize, token, metadata, mcp");
}

/* SESSION_TABLE_NAME alone is enough to choose DynamoDB. */
static void set_store(struct loading *l, const char *text) {
    const char *table = config_given(l, "SESSION_TABLE_NAME");

    if (!*text)
        text = table && *table ? "dynamodb" : "lmdb";
    if (strcasecmp(text, "lmdb") != 0 && strcasecmp(text, "dynamodb") != 0)
        config_refuse(l, "SESSION_STORE", "must be lmdb or dynamodb");
    l->c->session_store =
        strcasecmp(text, "dynamodb") ? SESSION_STORE_LMDB : SESSION_STORE_DYNAMODB;
}

static void set_value(struct loading *l, size_t i) {
    const struct config_key *key = &config_keys[i];
    const char *text = l->given[i].text && !l->given[i].refused ? l->given[i].text : key->initial;

    switch (key->kind) {
    case CONFIG_TEXT:
        *(const char **)(void *)((char *)l->c + key->offset) = text;
        break;
    case CONFIG_LIST:
        *(const char **)(void *)((char *)l->c + key->offset) = words_of(l->c->arena, text);
        break;
    case CONFIG_BOOL:
        set_bool(l, key, text);
        break;
    case CONFIG_NUMBER:
        set_number(l, key, text);
        break;
    case CONFIG_ENDPOINTS:
        set_endpoints(l, text);
        break;
    case CONFIG_STORE:
        set_store(l, text);
        break;
    }
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

/* ---- all of it ---- */

/* Set once at start, before any configuration is loaded. */
static void (*check_provider)(struct loading *l);

void config_on_provider(void (*check)(struct loading *l)) {
    check_provider = check;
}

struct config *config_load(const char *path, FILE *errors) {
    struct arena *a = arena_new(CONFIG_ARENA_MAX);
    struct loading l = {.c = arena_alloc(a, sizeof(struct config)), .errors = errors, .path = path};

    l.c->arena = a;
    l.given = arena_alloc(a, config_key_count * sizeof *l.given);
    if (config_read(&l)) {
        for (size_t i = 0; i < config_key_count; i++)
            set_value(&l, i);
        config_check_rest(&l);
        if (check_provider)
            check_provider(&l);
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

void config_print_annotated(FILE *out) {
    (void)fputs("# Configuration of mcp-authd: KEY=value, a line each. An environment variable of "
                "the same name\n# wins. Check with: mcp-authd -t -c FILE\n",
                out);
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];

        for (size_t t = 0; t < config_topic_count; t++)
            if (!strcmp(config_topics[t].first_key, key->name))
                (void)fprintf(out, "\n# ---- %s ----\n", config_topics[t].topic);
        if (*key->help)
            (void)fputc('\n', out);
        print_help(key->help, out);
        (void)fprintf(out, "#%s=%s\n", key->name, key->initial);
    }
}
