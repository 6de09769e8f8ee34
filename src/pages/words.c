#include "pages/words.h"

#include "base/builtin_file.h"
#include "base/text.h"
#include "web/request.h"

BUILTIN_FILE(words_en, "share/words/en");
BUILTIN_FILE(words_ja, "share/words/ja");
extern const char words_en[], words_ja[];

#define CAPTURES_MAX 2
#define REASON_MAX 1024

static struct language all[LANGUAGE_COUNT] = {{.tag = "en"}, {.tag = "ja"}};

/* The reasons are named by their English text. */
static bool is_reason(const struct word *w) {
    return strchr(w->name, ' ') != NULL;
}

/* A mistake in our own files: nothing can be shown to users. */
static void refuse(const struct language *l, const char *what) {
    log_error("texts_invalid", kv("language", l->tag), kv("what", what));
    abort();
}

/* The lines NAME = TEXT, in place; those that begin with # are comments. */
static void read_words(struct language *l, char *line) {
    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
        char *text;

        *end = 0;
        if (!*line || *line == '#')
            continue;
        text = strstr(line, " = ");
        if (!text || !text[3] || l->word_count == LANGUAGE_WORDS_MAX)
            refuse(l, line);
        *text = 0;
        if (language_text(l, line))
            refuse(l, line);
        l->words[l->word_count++] = (struct word){line, text + 3};
    }
}

/* Has `l` each text of the other? */
static void check_words(const struct language *l, const struct language *other) {
    for (size_t i = 0; i < other->word_count; i++)
        if (!is_reason(&other->words[i]) && !language_text(l, other->words[i].name))
            refuse(l, other->words[i].name);
}

const struct language *languages(void) {
    static const char *const sources[LANGUAGE_COUNT] = {words_en, words_ja};

    for (size_t i = 0; i < LANGUAGE_COUNT && !all[i].word_count; i++) {
        all[i].file = xstrdup(sources[i]);
        read_words(&all[i], all[i].file);
        check_words(&all[i], &all[0]);
        check_words(&all[0], &all[i]);
    }
    return all;
}

const char *language_text(const struct language *l, const char *name) {
    for (size_t i = 0; i < l->word_count; i++)
        if (*l->words[i].name == *name && !strcmp(l->words[i].name, name))
            return l->words[i].text;
    return NULL;
}

/* Is the text the pattern, with something in place of each *? Each takes as little as it can. */
static bool matches(const char *pattern, const char *text, struct text got[CAPTURES_MAX]) {
    size_t len = strcspn(pattern, "*"), n = 0;

    if (strncmp(text, pattern, len) != 0)
        return false;
    for (text += len, pattern += len; *pattern; n++) {
        size_t part = strcspn(++pattern, "*");
        char literal[REASON_MAX];
        const char *at;

        if (n == CAPTURES_MAX || part >= sizeof literal)
            return false;
        memcpy(literal, pattern, part);
        literal[part] = 0;
        at = part ? strstr(text, literal) : text + strlen(text);
        if (!at || at == text)
            return false;
        got[n] = (struct text){text, (size_t)(at - text)};
        text = at + part;
        pattern += part;
    }
    return !*text;
}

const char *language_reason(struct arena *a, const struct language *l, const char *reason) {
    const struct word *w = l->words, *end = l->words + l->word_count;
    struct text got[CAPTURES_MAX];
    struct buf b;
    size_t n = 0;

    if (l == all)
        return reason;
    while (w < end && !(is_reason(w) && matches(w->name, reason, got)))
        w++;
    if (w == end)
        return NULL;
    buf_init(&b, a, REASON_MAX);
    for (const char *p = w->text; *p;) {
        const size_t len = strcspn(p, "*");

        buf_add(&b, p, len);
        p += len;
        if (*p) {
            const char *part = arena_strndup(a, got[n].p, got[n].len);
            const char *known = language_reason(a, l, part);

            buf_adds(&b, known ? known : part);
            n++;
            p++;
        }
    }
    return b.p;
}

/* RFC 4647 §3.4, Lookup: ja-JP is served by ja. */
static bool is_served_by(const struct preference *p, const char *tag) {
    size_t n = strlen(tag);

    return p->len >= n && !strncasecmp(p->range, tag, n) && (p->len == n || p->range[n] == '-');
}

/* What the header says about a language: its weight, and by which element. "*" speaks for those
 * that no other element names (RFC 4647 §2.2.1), and a language that is refused by its own name is
 * not served for the sake of a part of it. */
static int weight_of(const char *accept, const char *tag, size_t *at) {
    struct {
        int weight;
        size_t at;
    } named = {-1, 0}, others = {0, 0}, *kind;
    struct preference p;
    bool refused = false;

    for (size_t i = 0; preference_next(&accept, &p); i++) {
        if (is_served_by(&p, tag)) {
            refused = refused || (!p.weight && p.len == strlen(tag));
            kind = &named;
        } else if (p.len == 1 && *p.range == '*') {
            kind = &others;
        } else {
            continue;
        }
        if (p.weight > kind->weight) {
            kind->weight = p.weight;
            kind->at = i;
        }
    }
    if (named.weight < 0)
        named = others;
    *at = named.at;
    return refused ? 0 : named.weight;
}

const struct language *language_choose(const char *accept_language) {
    const struct language *best = languages();
    const char *accept = accept_language ? accept_language : "";
    size_t best_at = 0, at;
    int best_weight = 0;

    for (size_t l = 0; l < LANGUAGE_COUNT; l++) {
        int weight = weight_of(accept, all[l].tag, &at);

        if (weight > best_weight || (weight && weight == best_weight && at < best_at)) {
            best = &all[l];
            best_weight = weight;
            best_at = at;
        }
    }
    return best;
}

const char *error_advice(enum rc code) {
    switch (code) {
    case ERR_UPSTREAM:
    case ERR_STORE:
        return "advice.later";
    case ERR_RATE_LIMITED:
        return "advice.slow";
    case ERR_MISCONFIGURED:
    case ERR_INTERNAL:
        return "advice.operator";
    case ERR_NOT_FOUND:
        return "advice.nothing";
    default:
        return "advice.again";
    }
}
