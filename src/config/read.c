/* Private part of config.h: finds the values in the file and in the environment. What was pasted
 * is taken as it was meant where there is one meaning only: quotes around a value, a comment behind
 * it, "export" before it, the marks that editors leave. */
#include <ctype.h>
#include <errno.h>

#include "base/text.h"
#include "base/utf8.h"
#include "config/config.h"
#include "config/loading.h"

#define LINE_BYTES_MAX 4096

/* The length of a blank at s: ASCII's, and what comes along from web pages and editors. */
static size_t blank_length(const char *s) {
    static const char *const wide[] = {"\u00a0", "\u200b", UTF8_BOM};

    if (isspace((unsigned char)*s))
        return 1;
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (!strncmp(s, wide[i], strlen(wide[i])))
            return strlen(wide[i]);
    return 0;
}

static char *trim(char *s) {
    size_t n;
    char *end;

    while ((n = blank_length(s)))
        s += n;
    end = s + strlen(s);
    for (n = 1; n <= 3 && end - s >= (ptrdiff_t)n; n++)
        if (blank_length(end - n) == n) {
            end -= n;
            *end = 0;
            n = 0;
        }
    return s;
}

static const struct quotes {
    const char *open, *close;
} all_quotes[] = {{"\"", "\""},         {"'", "'"},           {"`", "`"},
                  {"\u201c", "\u201d"}, {"\u2018", "\u2019"}, {"\u201e", "\u201c"}};
#define QUOTES_COUNT (sizeof all_quotes / sizeof *all_quotes)

static const struct quotes *opened_by(const char *text) {
    for (size_t i = 0; i < QUOTES_COUNT; i++)
        if (!strncmp(text, all_quotes[i].open, strlen(all_quotes[i].open)))
            return &all_quotes[i];
    return NULL;
}

/* The value without quotes and comment. *fault: why that is not sure; it is then the likely one. */
static char *plain_value(char *text, const char **fault) {
    const struct quotes *q;
    char *value = trim(text), *close, *rest;

    *fault = NULL;
    q = opened_by(value);
    if (!q) {
        text_cut_comment(value, "#");
        value = trim(value);
        for (size_t i = 0; i < QUOTES_COUNT; i++)
            if (text_ends_with(value, all_quotes[i].close)) {
                value[strlen(value) - strlen(all_quotes[i].close)] = 0;
                *fault = "it ends in a quote that was not opened";
            }
        return value;
    }
    value += strlen(q->open);
    close = strstr(value, q->close);
    if (!close) {
        text_cut_comment(value, "#");
        *fault = "the quote is not closed";
        return trim(value);
    }
    rest = trim(close + strlen(q->close));
    if (*rest && *rest != '#')
        *fault = "there is more after the quote";
    *close = 0;
    return trim(value);
}

static void unknown_key(struct loading *l, unsigned line, const char *name) {
    const char **names = arena_alloc(l->c->arena, (config_key_count + 1) * sizeof *names), *meant;

    for (size_t i = 0; i < config_key_count; i++)
        names[i] = config_keys[i].name;
    meant = suggest(name, names);
    name = config_shown(l, name);
    if (!strncmp(name, "AWS_", 4)) {
        config_fault(l, line,
                     "%s is AWS's own, and has its place in the service's environment (systemctl "
                     "edit mcp-authd: Environment=), not in this file",
                     name);
    } else if (meant) {
        config_fault(l, line, "%s is not a key that mcp-authd knows; did you mean %s?", name,
                     meant);
        l->given[config_key_index(meant)].refused = true;
    } else {
        config_fault(l, line, "%s is not a key that mcp-authd knows (mcp-authd -p lists them)",
                     name);
    }
}

/* "KEY: value" and "KEY value" show what was meant. */
static void no_assignment(struct loading *l, unsigned line, const char *text) {
    size_t len = strcspn(text, " \t:");
    const char *value = text + len + strspn(text + len, " \t:");
    size_t key = config_key_index(arena_strndup(l->c->arena, text, len));

    if (key == config_key_count) {
        config_fault(l, line, "\"%s\": expected KEY=value", config_shown(l, text));
        return;
    }
    l->given[key].refused = true;
    config_fault(l, line, "\"%s\": expected KEY=value, such as %s=%s", config_shown(l, text),
                 config_keys[key].name, config_shown(l, value));
}

static void take(struct loading *l, size_t key, unsigned line, char *text) {
    struct given *g = &l->given[key];
    const char *name = config_keys[key].name, *fault;
    char *read = arena_strdup(l->c->arena, trim(text)), *value;

    /* An empty line of a key that is empty by itself says as much as none. */
    if (line && g->text && (*g->text || *config_keys[key].initial)) {
        config_fault(l, line, "%s is given twice, here and in line %u", name, g->line);
        return;
    }
    value = plain_value(text, &fault);
    *g = (struct given){.text = fault ? read : arena_strdup(l->c->arena, value), .line = line};
    if (fault)
        config_refuse(l, name, "%s; perhaps %s=%s", fault, name, config_shown(l, value));
}

static void read_line(struct loading *l, unsigned line, char *text) {
    char *name = trim(text), *eq;
    size_t key;

    if (!*name || *name == '#')
        return;
    if (!strncmp(name, "export ", 7))
        name = trim(name + 7);
    eq = strchr(name, '=');
    if (!eq) {
        no_assignment(l, line, name);
        return;
    }
    *eq = 0;
    name = trim(name);
    key = config_key_index(name);
    if (key == config_key_count)
        unknown_key(l, line, name);
    else if (l->host && config_keys[key].scope == CONFIG_HOST)
        config_fault(l, line, "%s is the whole daemon's: it may stand in %s only", name,
                     l->host->path ? l->host->path : "the environment");
    else
        take(l, key, line, eq + 1);
}

static bool read_file(struct loading *l, FILE *f) {
    char *line = NULL;
    size_t room = 0;
    ssize_t len;

    for (unsigned number = 1; (len = getline(&line, &room, f)) >= 0; number++) {
        if (strlen(line) < (size_t)len) {
            config_fault(l, number,
                         "the line has a NUL byte: save the file as UTF-8 (a text of Windows may "
                         "be UTF-16)");
            break;
        }
        if (len > LINE_BYTES_MAX) {
            config_fault(l, number, "the line is longer than %d bytes", LINE_BYTES_MAX);
            break;
        }
        read_line(l, number, line);
    }
    if (ferror(f))
        config_fault(l, 0, "cannot be read: %s", strerror(errno));
    free(line);
    return !ferror(f);
}

/* Did it have anything? */
static bool read_environment(struct loading *l) {
    bool any = false;

    for (size_t i = 0; i < config_key_count; i++) {
        const char *v = getenv(config_keys[i].name);

        if (v && *v) {
            take(l, i, 0, arena_strdup(l->c->arena, v));
            any = true;
        }
    }
    return any;
}

/* What a site leaves out. The environment belongs to mcp-authd.conf. */
static void inherit(struct loading *l) {
    for (size_t i = 0; i < config_key_count; i++)
        if (!l->given[i].text && !l->given[i].refused && config_keys[i].scope != CONFIG_OWN) {
            l->given[i] = l->host->given[i];
            l->given[i].inherited = true;
        }
}

/* A service may have all of it in its environment. */
bool config_read(struct loading *l) {
    FILE *f = l->path ? fopen(l->file ? l->file : l->path, "re") : NULL;

    if (l->path && !f) {
        int why = errno;

        if (why == ENOENT && !strcmp(l->path, CONFIG_STANDARD_PATH) &&
            (read_environment(l) || l->values_only))
            return true;
        config_fault(l, 0, "cannot be read: %s", strerror(why));
        return false;
    }
    if (f) {
        const bool was_read = read_file(l, f);

        (void)fclose(f);
        if (!was_read)
            return false;
    }
    if (l->host)
        inherit(l);
    else
        (void)read_environment(l);
    return true;
}
