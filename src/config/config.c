#include "config/config.h"

#include <ctype.h>
#include <errno.h>

#include "base/text.h"
#include "config/loading.h"

#define CONFIG_ARENA_MAX (8 << 20) /* each key has a line of 4096 bytes at most */
#define SHOWN_BYTES_MAX 200        /* of a value in a message */

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

static const char *place_of(struct loading *l, const struct given *g, unsigned line) {
    const bool inherited = g && g->inherited;
    const char *path = inherited ? l->host->path : l->path, *of = "";

    if (inherited)
        of = arena_printf(l->c->arena, "(site %s) ", l->c->site);
    if (g ? g->line : line)
        return arena_printf(l->c->arena, "%s:%u: %s", path, g ? g->line : line, of);
    return arena_printf(l->c->arena, "%s: %s",
                        (g && g->text && (inherited || !l->host)) || !path ? "environment" : path,
                        of);
}

void config_report(struct loading *l, unsigned line, const char *key, const char *why) {
    struct given *g = key ? &l->given[config_key_index(key)] : NULL;

    if (g && g->refused)
        return;
    (void)fputs(place_of(l, g, line), l->errors);
    if (g)
        (void)fprintf(l->errors, "%s%s%s: ", key, g->text ? "=" : "",
                      g->text ? config_shown(l, g->text) : "");
    (void)fprintf(l->errors, "%s\n", why);
    l->bad++;
    if (g)
        g->refused = true;
}

bool config_is_refused(const struct loading *l, const char *key) {
    return l->given[config_key_index(key)].refused;
}

const char *config_given(const struct loading *l, const char *key) {
    return l->given[config_key_index(key)].text;
}

static void set_number(struct loading *l, const struct config_key *key, const char *text,
                       void *out) {
    unsigned long n;
    char *end;

    errno = 0;
    n = strtoul(text, &end, 10);
    if (errno || *end || !isdigit((unsigned char)*text) || n < key->min || n > key->max) {
        config_refuse(l, key->name, "must be a number from %u to %u, such as %s", key->min,
                      key->max, key->initial);
        return;
    }
    *(unsigned *)out = (unsigned)n;
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

/* The key's words, in the order of the values that they stand for, with `between` between them. */
static const char *words_with(struct arena *a, const struct config_key *key, const char *between) {
    struct buf b;

    buf_init(&b, a, strlen(key->words) * (strlen(between) + 1));
    for (const char *p = key->words + strspn(key->words, " "); *p; p++)
        buf_add(&b, *p == ' ' ? between : p, *p == ' ' ? strlen(between) : 1);
    return b.p;
}

/* The place of a word in a list; -1: it is not there. */
static int index_of(struct arena *a, const char *list, const char *word) {
    const char *w;

    for (int i = 0; (w = list_next(a, &list)); i++)
        if (!strcasecmp(w, word))
            return i;
    return -1;
}

static void set_bool(struct loading *l, const struct config_key *key, const char *text, void *out) {
    int i = index_of(l->c->arena, "no yes false true off on 0 1", text);

    if (i < 0)
        config_refuse(l, key->name, "must be yes or no");
    *(bool *)out = i & 1;
}

/* Where empty is the default, it stands for the first word until check.c derives another. */
static void set_choice(struct loading *l, const struct config_key *key, const char *text,
                       void *out) {
    int value = *text || *key->initial ? index_of(l->c->arena, key->words, text) : 0;

    if (value < 0)
        config_refuse(l, key->name, "must be %s", words_with(l->c->arena, key, " or "));
    else
        *(unsigned *)out = (unsigned)value;
}

static void set_choices(struct loading *l, const struct config_key *key, const char *text,
                        void *out) {
    struct arena *a = l->c->arena;
    const char *list = words_of(a, text), *words = words_with(a, key, ", "), *w;
    unsigned bits = 0;

    while ((w = list_next(a, &list))) {
        int value = index_of(a, key->words, w);

        if (value < 0)
            config_refuse(l, key->name, "\"%s\" is none of %s", config_shown(l, w), words);
        else
            bits |= 1U << value;
    }
    if (!bits)
        config_refuse(l, key->name, "must name at least one of %s", words);
    *(unsigned *)out = bits;
}

static void set_value(struct loading *l, size_t i) {
    const struct config_key *key = &config_keys[i];
    const char *text = l->given[i].text && !l->given[i].refused ? l->given[i].text : key->initial;
    void *member = (char *)l->c + key->offset;

    switch (key->kind) {
    case CONFIG_TEXT:
        *(const char **)member = text;
        break;
    case CONFIG_LIST:
        *(const char **)member = words_of(l->c->arena, text);
        break;
    case CONFIG_BOOL:
        set_bool(l, key, text, member);
        break;
    case CONFIG_NUMBER:
        set_number(l, key, text, member);
        break;
    case CONFIG_CHOICE:
        set_choice(l, key, text, member);
        break;
    case CONFIG_CHOICES:
        set_choices(l, key, text, member);
        break;
    }
}

static void dump_words(const struct config_key *key, unsigned bits, FILE *out) {
    const char *space = "";

    for (const char *p = key->words + strspn(key->words, " "); *p && bits; bits >>= 1) {
        const size_t len = strcspn(p, " ");

        if (bits & 1) {
            (void)fprintf(out, "%s%.*s", space, (int)len, p);
            space = " ";
        }
        p += len + strspn(p + len, " ");
    }
}

static void dump_value(const struct config *c, const struct config_key *key, FILE *out) {
    const char *at = (const char *)c + key->offset;
    unsigned value;

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
    case CONFIG_CHOICE:
    case CONFIG_CHOICES:
        value = *(const unsigned *)(const void *)at;
        dump_words(key, key->kind == CONFIG_CHOICE ? 1U << value : value, out);
        break;
    }
}

/* Set once at start, before any configuration is loaded. */
static void (*check_provider)(struct loading *l);

void config_on_provider(void (*check)(struct loading *l)) {
    check_provider = check;
}

void loading_begin(struct loading *l, const char *path, FILE *errors) {
    struct arena *a = arena_new(CONFIG_ARENA_MAX);

    *l = (struct loading){
        .c = arena_alloc(a, sizeof(struct config)), .errors = errors, .path = path};
    l->c->arena = a;
    l->c->site = "";
    l->given = arena_alloc(a, config_key_count * sizeof *l->given);
}

void loading_finish(struct loading *l) {
    struct config *c = l->c;

    c->mcp_path = c->mcp_origin = c->auth_path = c->callback_uri = c->prm_uri = "";
    for (size_t i = 0; i < config_key_count; i++)
        set_value(l, i);
    config_derive_files(l);
    if (!l->host)
        config_derive_sites_dir(l);
    if (l->values_only)
        return;
    if (!l->host)
        config_check_host(l);
    if (!l->no_site)
        config_check_site(l);
    if (!l->no_site && check_provider)
        check_provider(l);
}

struct config *config_load_values(const char *path, bool despite_faults, FILE *errors) {
    struct loading l;
    bool was_read;

    loading_begin(&l, path, errors);
    l.values_only = true;
    was_read = config_read(&l);
    if (was_read)
        loading_finish(&l);
    if (!l.bad || (was_read && despite_faults))
        return l.c;
    arena_free(l.c->arena);
    return NULL;
}

void config_free(struct config *c) {
    if (c && c->arena)
        arena_free(c->arena);
    else if (c && !--c->references)
        free(c);
}

void config_dump(const struct config *c, bool all, FILE *out) {
    for (size_t i = 0; i < config_key_count; i++) {
        if (!all && config_keys[i].scope == CONFIG_HOST)
            continue;
        (void)fprintf(out, "%s=", config_keys[i].name);
        dump_value(c, &config_keys[i], out);
        (void)fputc('\n', out);
    }
}

void config_print_annotated(FILE *out) {
    (void)fputs("# Configuration of mcp-authd: KEY=value, a line each. An environment variable of "
                "the same name\n# wins. Check with: mcp-authd -t -c FILE\n",
                out);
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];

        if (*key->help)
            (void)fputc('\n', out);
        for (const char *help = key->help; *help;) {
            size_t n = strcspn(help, "\n");

            (void)fprintf(out, "%s%.*s\n", n ? "# " : "", (int)n, help);
            help += n + (help[n] == '\n');
        }
        (void)fprintf(out, "#%s=%s\n", key->name, key->initial);
    }
}
