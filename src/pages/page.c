#include "pages/page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/utf8.h"
#include "crypto/random.h"

#define SET_BYTES_MAX (2 << 20)
#define NONCE_BYTES 16
#define SAMPLE "x"

/* What there is of each page: its name, and a sample of its values, which is also the list of the
 * names that a template may use. docs/templates.md says what they mean. */
static const struct template_value sample_scope[] = {
    {"scope", SAMPLE}, {"scope_words", SAMPLE}, {NULL, NULL}};
static const struct template_value *const sample_scopes[] = {sample_scope, NULL};
static const struct template_list sample_list = {"scopes", sample_scopes};
static const struct template_value consent_sample[] = {
    {"server_host", SAMPLE},
    {"server_uri", SAMPLE},
    {"server_address", SAMPLE},
    {"caution", SAMPLE},
    {"must_confirm", SAMPLE},
    {"client_host", SAMPLE},
    {"client_id", SAMPLE},
    {"client_name", SAMPLE},
    {"redirect_host", SAMPLE},
    {"loopback", SAMPLE},
    {"app", SAMPLE},
    {"web", SAMPLE},
    {"action", SAMPLE},
    {"request", SAMPLE},
    {"can_remember", SAMPLE},
    {"remember_days", SAMPLE},
    {"pinned", SAMPLE},
    {"unchecked", SAMPLE},
    {NULL, NULL},
};
static const struct template_value continue_sample[] = {{"uri", SAMPLE}, {NULL, NULL}};
static const struct template_value error_sample[] = {
    {"status", SAMPLE}, {"advice", SAMPLE},     {"reason", SAMPLE},      {"reason_lang", SAMPLE},
    {"number", SAMPLE}, {"client_uri", SAMPLE}, {"client_host", SAMPLE}, {NULL, NULL},
};

static const struct {
    const char *name, *builtin;
    const struct template_value *sample;
    const struct template_list *list;
    const char *needs[3]; /* without these it cannot work */
} kinds[PAGE_COUNT] = {
    [PAGE_CONSENT] = {"consent",
                      page_builtin_consent,
                      consent_sample,
                      &sample_list,
                      {"{{request}}", "name=\"confirm\""}},
    [PAGE_CONTINUE] = {"continue", page_builtin_continue, continue_sample, NULL, {"{{uri}}"}},
    [PAGE_ERROR] = {"error", page_builtin_error, error_sample, NULL, {NULL}},
};

struct page_set {
    struct arena *arena;
    const char *sources[PAGE_COUNT][LANGUAGE_COUNT]; /* NULL: the built-in one */
};

static const char *find_text(const void *language, const char *name) {
    return strcmp(name, "style") ? language_text(language, name) : page_builtin_style;
}

/* ---- loading ---- */

static enum rc read_text(struct arena *a, const char *path, const char **out, struct err *e) {
    struct text text = {0};

    if (file_read(a, path, PAGE_FILE_BYTES_MAX, &text, e)) {
        if (e->code != ERR_MISSING || errno != ENOENT)
            e->code = ERR_MISCONFIGURED;
    } else if (strlen(text.p) != text.len) {
        (void)err_set(e, ERR_MISCONFIGURED, "has a NUL byte in it");
    } else {
        *out = text.p + utf8_bom_length(text.p, text.len);
        return OK;
    }
    return e->code;
}

static enum rc check(struct arena *a, enum page page, const struct language *language,
                     const char *source, struct err *e) {
    static const struct template_value common[] = {
        {"lang", SAMPLE}, {"nonce", SAMPLE}, {NULL, NULL}};
    const struct template_scope outer = {.values = common, .text = find_text, .language = language};
    const struct template_scope sample = {
        .values = kinds[page].sample, .list = kinds[page].list, .outer = &outer};

    if (template_check(a, source, &sample, e))
        return e->code;
    for (const char *const *need = kinds[page].needs; *need; need++)
        if (!strstr(source, *need))
            return err_set(e, ERR_MISCONFIGURED, "without %s the page cannot work", *need);
    return OK;
}

static const char *load_one(struct arena *a, const char *path, enum page page,
                            const struct language *language, FILE *problems, unsigned *bad) {
    struct err e;
    const char *source;

    if (!read_text(a, path, &source, &e) && !check(a, page, language, source, &e))
        return source;
    if (e.code != ERR_MISSING) {
        (void)fprintf(problems, "%s: %s; the built-in page is used\n", path, e.text);
        ++*bad;
    }
    return NULL;
}

struct page_set *page_set_load(const char *dir, FILE *problems, unsigned *bad) {
    struct page_set *s = xcalloc(1, sizeof *s);

    s->arena = arena_new(SET_BYTES_MAX);
    *bad = 0;
    for (unsigned p = 0; p < PAGE_COUNT; p++) {
        const char *path = arena_printf(s->arena, "%s/%s.html", dir, kinds[p].name);
        const char *all = load_one(s->arena, path, p, &languages[0], problems, bad);

        for (size_t l = 0; l < LANGUAGE_COUNT; l++) {
            path = arena_printf(s->arena, "%s/%s.%s.html", dir, kinds[p].name, languages[l].tag);
            s->sources[p][l] = load_one(s->arena, path, p, &languages[l], problems, bad);
            if (!s->sources[p][l])
                s->sources[p][l] = all;
        }
    }
    return s;
}

void page_set_free(struct page_set *s) {
    if (!s)
        return;
    arena_free(s->arena);
    free(s);
}

/* ---- showing ---- */

static const char *source_of(const struct page_set *set, enum page page, const struct language *l) {
    const char *own = set ? set->sources[page][l - languages] : NULL;

    return own ? own : kinds[page].builtin;
}

void page_reply(const struct page_set *set, enum page page, const struct request *rq,
                struct reply *rp, int status, const struct template_value *values,
                const struct template_list *list, const char *form_action) {
    const struct language *language = language_choose(request_header(rq, "accept-language"));
    const char *nonce = random_text(rp->arena, NONCE_BYTES);
    const struct template_value common[] = {
        {"lang", language->tag}, {"nonce", nonce}, {NULL, NULL}};
    const struct template_scope outer = {.values = common, .text = find_text, .language = language};
    const struct template_scope scope = {.values = values, .list = list, .outer = &outer};
    struct buf b;

    buf_init(&b, rp->arena, PAGE_BYTES_MAX);
    template_render(&b, source_of(set, page, language), &scope);
    if (b.overflow) { /* a template that repeats its values without end */
        log_error("page_too_long", kv("page", kinds[page].name),
                  kv("hint", "shorten the template"));
        buf_init(&b, rp->arena, PAGE_BYTES_MAX);
        template_render(&b, kinds[page].builtin, &scope);
    }
    reply_html(rp, status, b.p, b.len, nonce, form_action);
}

void page_error(const struct page_set *set, const struct request *rq, struct reply *rp, int status,
                const struct err *e, const char *client_uri, const char *client_host) {
    const struct language *language = language_choose(request_header(rq, "accept-language"));
    const char *reason = language_reason(rp->arena, language, e->text);
    const struct template_value values[] = {
        {"status", arena_printf(rp->arena, "%d", status)},
        {"advice", language_text(language, e->advice ? e->advice : error_advice(e->code))},
        {"reason", reason ? reason : e->text},
        {"reason_lang", reason ? language->tag : "en"},
        {"number", rq->id},
        {"client_uri", client_uri},
        {"client_host", client_host},
        {NULL, NULL},
    };

    page_reply(set, PAGE_ERROR, rq, rp, status, values, NULL, "'none'");
}
