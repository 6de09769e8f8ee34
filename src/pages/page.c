#include "pages/page.h"

#include <errno.h>

#include "base/builtin_file.h"
#include "base/file.h"
#include "base/utf8.h"
#include "crypto/digest.h"

#define SET_BYTES_MAX (2 << 20)
#define NONCE_BYTES 16

/* What there is of each page: its name, and the names that a template may use. docs/templates.md
 * says what they mean. */
static const struct template_value sample_scope[] = {{"scope", "x"}, {"scope_words", "x"}, {0}};
static const struct template_value *const sample_scopes[] = {sample_scope, NULL};
static const struct template_list sample_list = {"scopes", sample_scopes};

static const struct {
    const char *name, *builtin;
    const char *values; /* their names */
    const struct template_list *list;
    const char *needs[3]; /* without these it cannot work */
} kinds[PAGE_COUNT] = {
    [PAGE_CONSENT] = {"consent",
                      page_builtin_consent,
                      "server_host server_uri server_address server_title server_icon "
                      "server_icon_dark caution must_confirm client_host client_id client_name "
                      "redirect_host loopback app web action request can_remember remember_days "
                      "pinned unchecked other_account",
                      &sample_list,
                      {"{{request}}", "name=\"confirm\""}},
    [PAGE_CONTINUE] = {"continue", page_builtin_continue, "uri", NULL, {"{{uri}}"}},
    [PAGE_ERROR] = {"error",
                    page_builtin_error,
                    "status advice reason reason_lang number client_uri client_host",
                    NULL,
                    {NULL}},
    [PAGE_SERVER] = {"server",
                     page_builtin_server,
                     "server_name server_title server_uri server_icon server_icon_dark website "
                     "documentation policy terms vscode_link cursor_link",
                     NULL,
                     {"{{server_uri}}"}},
};

/* What an admin copies and changes is what is built in. */
BUILTIN_FILE(page_builtin_consent, "share/templates/consent.html");
BUILTIN_FILE(page_builtin_continue, "share/templates/continue.html");
BUILTIN_FILE(page_builtin_error, "share/templates/error.html");
BUILTIN_FILE(page_builtin_server, "share/templates/server.html");
BUILTIN_FILE(page_builtin_style, "share/templates/style.css");

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
        (void)misconfigured(e, "has a NUL byte in it");
    } else {
        *out = text.p + utf8_bom_length(text.p, text.len);
        return OK;
    }
    return e->code;
}

static enum rc check(struct arena *a, enum page page, const struct language *language,
                     const char *source, struct err *e) {
    const struct template_scope outer = {
        .sample = "lang nonce", .text = find_text, .language = language};
    const struct template_scope sample = {
        .sample = kinds[page].values, .list = kinds[page].list, .outer = &outer};

    if (template_check(a, source, &sample, e))
        return e->code;
    for (const char *const *need = kinds[page].needs; *need; need++)
        if (!strstr(source, *need))
            return misconfigured(e, "without %s the page cannot work", *need);
    return OK;
}

struct loading {
    struct arena *arena;
    FILE *problems;
    unsigned bad;
};

/* NULL: there is no such file, or it is bad. */
static const char *load_one(struct loading *l, const char *path, enum page page,
                            const struct language *language) {
    const char *source = NULL;
    struct err e;

    if (!read_text(l->arena, path, &source, &e) && !check(l->arena, page, language, source, &e))
        return source;
    if (e.code != ERR_MISSING) {
        (void)fprintf(l->problems, "%s: %s; the built-in page is used\n", path, e.text);
        l->bad++;
    }
    return NULL;
}

struct page_set *page_set_load(const char *dir, FILE *problems, unsigned *bad) {
    struct page_set *s = xcalloc(1, sizeof *s);
    struct arena *a = s->arena = arena_new(SET_BYTES_MAX);
    struct loading l = {.arena = a, .problems = problems};

    for (unsigned p = 0; p < PAGE_COUNT; p++) {
        const char *path = arena_printf(a, "%s/%s.html", dir, kinds[p].name);
        const char *all = load_one(&l, path, p, languages());

        for (size_t i = 0; i < LANGUAGE_COUNT; i++) {
            path = arena_printf(a, "%s/%s.%s.html", dir, kinds[p].name, languages()[i].tag);
            s->sources[p][i] = load_one(&l, path, p, &languages()[i]);
            if (!s->sources[p][i])
                s->sources[p][i] = all;
        }
    }
    *bad = l.bad;
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
    const char *own = set ? set->sources[page][l - languages()] : NULL;

    return own ? own : kinds[page].builtin;
}

/* HTML that may not be framed, cached, or controlled by the window that opened it. Only <style>
 * elements with this nonce count, and <script> elements where the page has its own. */
static void reply_html(struct reply *rp, const struct buf *html, const char *nonce,
                       const struct page_content *content) {
    rp->body = html->p;
    rp->body_len = html->len;
    reply_header(rp, "Content-Type", "text/html; charset=utf-8");
    reply_header(rp, "Cache-Control", "no-store");
    /* RFC 9700 §4.16: an authorization page must not be framed. */
    reply_header(rp, "X-Frame-Options", "DENY");
    reply_header(rp, "X-Content-Type-Options", "nosniff");
    /* Whoever opened the window cannot steer it, or be steered by it, any more (HTML §7.1.3). */
    reply_header(rp, "Cross-Origin-Opener-Policy", "same-origin");
    reply_header(rp, "Referrer-Policy", "no-referrer");
    reply_header(rp, "Content-Security-Policy",
                 text_concat(rp->arena, "default-src 'none'; style-src 'nonce-", nonce,
                             content->scripts ? "'; script-src 'nonce-" : "",
                             content->scripts ? nonce : "", "'; img-src 'self'",
                             content->images ? content->images : "",
                             "; base-uri 'none'; frame-ancestors 'none'; form-action ",
                             content->form_action));
}

void page_reply(const struct page_set *set, const struct request *rq, struct reply *rp,
                const struct page_content *content) {
    const struct language *language = language_choose(request_header(rq, "accept-language"));
    const char *nonce = random_text(rp->arena, NONCE_BYTES);
    const struct template_value common[] = {
        {"lang", language->tag}, {"nonce", nonce}, {NULL, NULL}};
    const struct template_scope outer = {.values = common, .text = find_text, .language = language};
    const struct template_scope scope = {
        .values = content->values, .list = content->list, .outer = &outer};
    struct buf b;

    buf_init(&b, rp->arena, PAGE_BYTES_MAX);
    template_render(&b, source_of(set, content->page, language), &scope);
    if (b.overflow) { /* a template that repeats its values without end */
        log_error("page_too_long", kv("page", kinds[content->page].name),
                  kv("hint", "shorten the template"));
        buf_init(&b, rp->arena, PAGE_BYTES_MAX);
        template_render(&b, kinds[content->page].builtin, &scope);
    }
    rp->status = content->status;
    reply_html(rp, &b, nonce, content);
}

void page_error(const struct page_set *set, const struct request *rq, struct reply *rp,
                const struct page_problem *problem) {
    const struct language *language = language_choose(request_header(rq, "accept-language"));
    const struct err *e = problem->e;
    const char *reason = language_reason(rp->arena, language, e->text);
    const struct template_value values[] = {
        {"status", arena_printf(rp->arena, "%d", problem->status)},
        {"advice", language_text(language, e->advice ? e->advice : error_advice(e->code))},
        {"reason", reason ? reason : e->text},
        {"reason_lang", reason ? language->tag : "en"},
        {"number", rq->id},
        {"client_uri", problem->client_uri},
        {"client_host", problem->client_host},
        {NULL, NULL},
    };

    page_reply(set, rq, rp,
               &(struct page_content){.page = PAGE_ERROR,
                                      .status = problem->status,
                                      .values = values,
                                      .form_action = "'none'"});
}
