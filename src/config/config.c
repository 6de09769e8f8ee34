#include "config/config.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    unsigned bit;
} groups[] = {{"authorize", GROUP_AUTHORIZE},
              {"token", GROUP_TOKEN},
              {"metadata", GROUP_METADATA},
              {"mcp", GROUP_MCP}};
#define GROUP_COUNT (sizeof groups / sizeof *groups)

unsigned config_group(const char *name) {
    for (size_t i = 0; i < GROUP_COUNT; i++)
        if (!strcasecmp(groups[i].name, name))
            return groups[i].bit;
    return 0;
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
