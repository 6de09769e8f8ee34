/* Private part of load.h: each value by the kind that the table says. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/loading.h"

static void set_number(struct loading *l, const struct config_key *key, const char *text) {
    char *end, *at = (char *)l->c + key->offset;
    unsigned long long n;

    errno = 0;
    n = strtoull(text, &end, 10);
    if (errno || *end || !isdigit((unsigned char)*text) || n < key->min || n > key->max) {
        config_refuse(l, key->name, "must be a number from %llu to %llu, such as %s",
                      (unsigned long long)key->min, (unsigned long long)key->max, key->initial);
        return;
    }
    if (key->kind == CONFIG_SIZE)
        *(size_t *)(void *)at = (size_t)n;
    else
        *(unsigned *)(void *)at = (unsigned)n;
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
        unsigned bit = config_group(w);

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
    case CONFIG_SIZE:
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

void config_set_values(struct loading *l) {
    for (size_t i = 0; i < config_key_count; i++)
        set_value(l, i);
}
