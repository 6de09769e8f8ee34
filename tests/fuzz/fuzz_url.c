/* Texts of HTTP that anybody can send: URLs, forms, cookies, media types, lists. Whatever is taken
 * apart is put together again, and must be the same. */
#include <strings.h>

#include "base/encode.h"
#include "base/text.h"
#include "base/url.h"
#include "input.h"
#include "mcp/headers.h"
#include "pages/template.h"
#include "standalone.h"
#include "web/request.h"
#include "web/sse.h"

#define TEXT_MAX ((size_t)1 << 20)

static void add(struct buf *b, const char *before, const char *part) {
    if (!part)
        return;
    buf_adds(b, before);
    buf_adds(b, part);
}

/* RFC 3986 §6.2.2: it is one, and stays as it is. */
static void try_normal_path(struct arena *a, const struct url *u) {
    const char *path = url_normal_path(a, u);

    MUST(*path == '/' && strlen(path) <= 3 * strlen(u->path) + 1);
    MUST(!strstr(path, "/../") && !strstr(path, "/./"));
    MUST(!strcmp(url_normal_path(a, &(struct url){.path = path}), path));
}

/* RFC 3986 §5.3: the parts together are the URL. */
static void try_url(struct arena *a, const char *text) {
    struct url u, again;
    struct err e = {0};
    struct buf b;
    const char *origin;

    if (url_parse(a, text, &u, &e)) {
        MUST(e.code == ERR_INVALID_REQUEST && *e.text);
        return;
    }
    buf_init(&b, a, TEXT_MAX);
    add(&b, "", u.scheme);
    add(&b, ":", u.host ? "//" : "");
    if (u.userinfo)
        add(&b, u.userinfo, "@");
    add(&b, "", u.host);
    add(&b, ":", u.port);
    add(&b, "", u.path);
    add(&b, "?", u.query);
    add(&b, "#", u.fragment);
    MUST(!strncasecmp(b.p, text, strlen(u.scheme)));
    MUST(!strcmp(b.p + strlen(u.scheme), text + strlen(u.scheme)));
    MUST(is_plain_line(text, strlen(text)) && strlen(text) <= URL_LEN_MAX);
    if (strcmp(u.scheme, "http") != 0 && strcmp(u.scheme, "https") != 0)
        return;
    MUST(u.host && *u.host);
    origin = url_origin(a, &u); /* and that has an origin, which is itself */
    MUST(!url_parse(a, origin, &again, &e) && !again.userinfo && !*again.path);
    MUST(!strcmp(url_origin(a, &again), origin));
    MUST(url_is_loopback(&u) == url_is_loopback(&again));
    try_normal_path(a, &u);
}

static void try_encoding(struct arena *a, const char *text, const uint8_t *data, size_t size) {
    struct buf b;
    const char *back;
    size_t len;
    uint8_t *bytes;

    buf_init(&b, a, TEXT_MAX);
    url_encode(&b, text);
    back = url_decode(a, b.p, b.len, true);
    MUST(back && !strcmp(back, text));
    back = base64url_encode(a, data, size);
    bytes = base64url_decode(a, back, strlen(back), &len);
    MUST(bytes && len == size && !memcmp(bytes, data, size));
    /* One text for the same bytes: what can be decoded is what would be written. */
    bytes = base64url_decode(a, (const char *)data, size, &len);
    if (bytes) {
        back = base64url_encode(a, bytes, len);
        MUST(strlen(back) == size && !memcmp(back, data, size));
    }
    bytes = base64_decode(a, (const char *)data, size, &len);
    if (bytes) {
        back = base64_encode(a, bytes, len);
        MUST(strlen(back) == size && !memcmp(back, data, size));
    }
}

static bool same_forms(const struct form *f, const struct form *g) {
    if (f->count != g->count)
        return false;
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->fields[i].name, g->fields[i].name) != 0 ||
            strcmp(f->fields[i].value, g->fields[i].value) != 0 ||
            f->fields[i].repeated != g->fields[i].repeated)
            return false;
    return true;
}

static void try_form(struct arena *a, const uint8_t *data, size_t size) {
    struct form f, again;
    struct err e = {0};
    struct buf b;

    if (form_read(a, (const char *)data, size, &f, &e)) {
        MUST(e.code == ERR_INVALID_REQUEST && *e.text);
        return;
    }
    buf_init(&b, a, TEXT_MAX);
    for (size_t i = 0; i < f.count; i++) {
        MUST(is_utf8_text(f.fields[i].name) && is_utf8_text(f.fields[i].value));
        buf_adds(&b, i ? "&" : "");
        url_encode(&b, f.fields[i].name);
        buf_addc(&b, '=');
        url_encode(&b, f.fields[i].value);
    }
    MUST(!form_read(a, b.p, b.len, &again, &e) && same_forms(&f, &again));
    for (size_t i = 0; i < f.count; i++) {
        const char *first = form_get(&f, f.fields[i].name);

        MUST(f.fields[i].repeated || (first ? first == f.fields[i].value : !*f.fields[i].value));
        if (f.fields[i].repeated)
            MUST(form_check_repeated(&f, f.fields[i].name, NULL, &e) &&
                 form_check_repeated(&f, NULL, NULL, &e));
    }
}

/* As one header, and as the content type of a request. */
static void try_headers(struct arena *a, const char *text) {
    char *const params[] = {arena_printf(a, "HTTP_COOKIE=%s", text),
                            arena_printf(a, "HTTP_X_Y=%s", text), NULL};
    const struct request rq = {.arena = a, .content_type = text, .params = params};
    const char *cookie = request_cookie(&rq, "c"), *value = request_header(&rq, "x-y");

    MUST(value && !strcmp(value, text));
    MUST(!request_header(&rq, "x") && !request_header(&rq, "x-y-z"));
    if (cookie)
        MUST(strstr(text, arena_printf(a, "c=%s", cookie)) && !strchr(cookie, ';'));
    if (request_has_type(&rq, "application/json"))
        MUST(!strncasecmp(text, "application/json", 16) && (!text[16] || strchr("; \t", text[16])));
}

/* A header of ours says a text as it is, or in base64 ("Value Encoding" of Streamable HTTP). */
static void try_header_value(struct arena *a, const char *text, const uint8_t *data, size_t size) {
    const char *value = arena_printf(a, "=?base64?%s?=", base64_encode(a, data, size));
    struct text out;

    MUST(mcp_header_decode(a, value, &out));
    MUST(out.len == size && !memcmp(out.p, data, size));
    if (!mcp_header_decode(a, text, &out))
        return;
    MUST(is_plain_line(text, strcspn(text, "\t")));
    MUST(!strncmp(text, "=?base64?", 9) || (out.len == strlen(text) && out.p == text));
}

/* Last-Event-ID: what is read is written again as an id that is read as the same one. */
static void try_event_id(const char *text) {
    char line[SSE_ID_LINE_MAX];
    struct sse_id id, again;
    size_t len;

    if (!sse_id_read(text, &id))
        return;
    len = sse_id_line(&id, line);
    MUST(len > 5 && len <= sizeof line && line[len - 1] == '\n');
    line[len - 1] = 0;
    MUST(sse_id_read(line + strlen("id: "), &again) && !strcmp(again.stream, id.stream) &&
         again.at == id.at && again.number == id.number);
}

/* RFC 9110 §12.5.1: a type that stands in Accept by itself is accepted, unless something before it
 * speaks of the same type, or has a quotation mark in which it could stand. */
static void try_accept(struct arena *a, const char *text) {
    char *const params[] = {arena_printf(a, "HTTP_ACCEPT=%s, text/event-stream", text), NULL};
    char *const alone[] = {arena_printf(a, "HTTP_ACCEPT=%s", text), NULL};
    struct request rq = {.arena = a, .params = params};

    if (!strcasestr(text, "text/event-stream") && !strchr(text, '"'))
        MUST(mcp_accepts(&rq, "text/event-stream"));
    rq.params = alone;
    if (mcp_accepts(&rq, "application/json"))
        MUST(strcasestr(text, "application/json") || strchr(text, '*') ||
             !text[strspn(text, " \t")]);
}

static void try_list(const char *text) {
    for (const char *p = text; *p;) {
        char item[64];
        size_t n;

        p += strspn(p, " ");
        n = strcspn(p, " ");
        if (n && n < sizeof item) {
            memcpy(item, p, n);
            item[n] = 0;
            MUST(list_has(text, item) && list_covers(text, item));
        }
        p += n;
    }
    MUST(list_covers(text, text) && !list_has(text, ""));
}

/* What stands in a page is the text, and nothing but text. */
static void try_html(struct arena *a, const char *text) {
    static const struct {
        const char *entity;
        char c;
    } entities[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&#39;", '\''}};
    struct buf b;

    buf_init(&b, a, TEXT_MAX);
    html_text(&b, text);
    MUST(!strpbrk(b.p, "<>\"'"));
    for (const char *p = b.p; *p; text++) {
        size_t i = 0, len = 1;

        while (*p == '&' && i < 5 && strncmp(p, entities[i].entity, strlen(entities[i].entity)))
            i++;
        MUST(i < 5);
        if (*p == '&')
            len = strlen(entities[i].entity);
        MUST(*text == (*p == '&' ? entities[i].c : *p));
        p += len;
    }
    MUST(!*text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena *a = arena_new(ARENA_BYTES);
    const char *text = arena_strndup(a, (const char *)data, size);

    if (size <= 8192) {
        try_url(a, text);
        try_encoding(a, text, data, size);
        try_form(a, data, size);
        try_headers(a, text);
        try_header_value(a, text, data, size);
        try_event_id(text);
        try_accept(a, text);
        try_list(text);
        try_html(a, text);
    }
    arena_free(a);
    return 0;
}
