/* A template of a page that an admin writes: an Accept-Language header, a line, and the template.
 * Also the built-in pages, with values that anybody may choose; and the template as a name that a
 * client gives itself, and as the reason of an error. */
#include "input.h"
#include "pages/page.h"
#include "standalone.h"

#define INPUT_MAX 16384
#define MARK "<i>'\"&" /* never as it is, in no page */

static const char *text_of_page(const void *language, const char *name) {
    return language_text(language, name);
}

#define NAMES 8

/* Every name that the texts of ours use, with one value for all. */
struct page_values {
    struct template_value values[NAMES + 3], item_1[3], item_2[3];
    const struct template_value *items[3];
    struct template_list list;
};

static void set_values(struct page_values *p, const char *value) {
    static const char *const names[NAMES] = {"server_host",   "server_uri",  "client_host",
                                             "client_id",     "client_name", "uri",
                                             "redirect_host", "request"};
    size_t i;

    for (i = 0; i < NAMES; i++)
        p->values[i] = (struct template_value){names[i], value};
    p->values[i++] = (struct template_value){"remember_days", ""};
    p->values[i++] = (struct template_value){"empty", ""};
    p->values[i] = (struct template_value){NULL, NULL};
    p->item_1[0] = (struct template_value){"item", value};
    p->item_1[1] = (struct template_value){"scope", ""};
    p->item_1[2] = (struct template_value){NULL, NULL};
    p->item_2[0] = (struct template_value){"item", ""};
    p->item_2[1] = (struct template_value){"scope", value};
    p->item_2[2] = (struct template_value){NULL, NULL};
    p->items[0] = p->item_1;
    p->items[1] = p->item_2;
    p->items[2] = NULL;
    p->list = (struct template_list){"scopes", p->items};
}

static size_t count_of(const char *s, char c) {
    size_t n = 0;

    for (; *s; s++)
        n += *s == c;
    return n;
}

/* What was checked comes to its end, and has as much markup whatever the values are. */
static void try_template(struct arena *a, const char *source, const struct language *language) {
    struct page_values wild, tame;
    struct template_scope scope = {
        .values = wild.values, .list = &wild.list, .text = text_of_page, .language = language};
    struct err e = {0};
    struct buf b, plain;

    set_values(&wild, MARK);
    set_values(&tame, "word");
    buf_init(&b, a, PAGE_BYTES_MAX);
    buf_init(&plain, a, PAGE_BYTES_MAX);
    if (template_check(a, source, &scope, &e)) {
        MUST(e.code == ERR_MISCONFIGURED && !strncmp(e.text, "line ", 5));
        template_render(&b, source, &scope); /* must not happen, and does no harm */
        return;
    }
    template_render(&b, source, &scope);
    scope.values = tame.values;
    scope.list = &tame.list;
    template_render(&plain, source, &scope);
    for (const char *c = "<>\"'"; *c && !b.overflow && !plain.overflow; c++)
        MUST(count_of(b.p, *c) == count_of(plain.p, *c));
    if (!strchr(source, '{'))
        MUST(!strcmp(b.p, source));
}

/* As the file of a site: used, or reported and the built-in page in its place. */
static void try_file(struct arena *a, const char *source, const char *accept) {
    static const char *const names[] = {"consent.html", "continue.ja.html", "error.html"};
    const char *dir = fuzz_path(a, "templates");
    char *const params[] = {arena_printf(a, "HTTP_ACCEPT_LANGUAGE=%s", accept), NULL};
    const struct request rq = {.arena = a, .id = "id", .params = params};
    const struct err why = {.code = ERR_INVALID_REQUEST, .text = MARK};
    const struct page_problem problem = {400, &why, "", ""};
    struct page_set *set;
    struct reply rp;
    char *problems_text;
    size_t len;
    unsigned bad;
    FILE *problems = open_memstream(&problems_text, &len);

    MUST(problems);
    (void)mkdir(dir, 0700);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        fuzz_write(arena_printf(a, "%s/%s", dir, names[i]), source, strlen(source), 0600);
    set = page_set_load(dir, problems, &bad);
    MUST(set && !fclose(problems));
    MUST(bad <= 3 && count_problems(problems_text, len) == bad);
    free(problems_text);
    reply_init(&rp, a);
    page_error(set, &rq, &rp, &problem);
    MUST(rp.status == 400 && rp.body_len <= PAGE_BYTES_MAX);
    reply_init(&rp, a);
    page_error(NULL, &rq, &rp, &problem);
    MUST(rp.body_len && !strstr(rp.body, MARK) && is_utf8_text(rp.body));
    page_set_free(set);
}

static void try_name(struct arena *a, const char *source) {
    const char *name = display_name(a, source);

    MUST(*name && strlen(name) <= strlen(source) + 1 && is_utf8_text(name));
    MUST(!strchr(name, '"') && !strchr(name, '`') && !strstr(name, "''") && !strstr(name, "  "));
    for (const char *p = name; *p; p++)
        MUST((unsigned char)*p >= ' ' && *p != 127);
    MUST(!strcmp(display_name(a, name), name));
}

static void try_reason(struct arena *a, const char *source, const struct language *language) {
    struct err e;
    const char *reason;

    (void)err_set(&e, ERR_INVALID_REQUEST, "%s", source);
    reason = language_reason(a, language, e.text);
    MUST(!reason || language != languages() || !strcmp(reason, e.text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena *a;
    const struct language *language;
    const char *accept, *source;

    if (size > INPUT_MAX)
        return 0;
    a = arena_new(ARENA_BYTES);
    accept = take_line_of(a, &data, &size);
    language = language_choose(accept);
    MUST(language >= languages() && language < languages() + LANGUAGE_COUNT);
    source = arena_strndup(a, (const char *)data, size);
    try_template(a, source, language);
    try_file(a, source, accept);
    try_name(a, source);
    try_reason(a, source, language);
    arena_free(a);
    return 0;
}
