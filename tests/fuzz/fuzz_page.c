/* A template of a page that an admin writes: an Accept-Language header, a line, and the template.
 * Also the built-in pages, with values that anybody may choose. */
#include "input.h"
#include "standalone.h"
#include "web/page.h"

#define INPUT_MAX 16384
#define MARK "<i>'\"&" /* never as it is, in no page */

static const char *text_of(const void *language, const char *name) {
    return language_text(language, name);
}

/* Every name that the texts of ours use. */
static const struct template_value values[] = {
    {"server_host", MARK},   {"server_uri", MARK},  {"client_host", MARK},
    {"client_id", MARK},     {"client_name", MARK}, {"uri", MARK},
    {"redirect_host", MARK}, {"request", MARK},     {"remember_days", ""},
    {"empty", ""},           {NULL, NULL}};
static const struct template_value item_1[] = {{"item", MARK}, {"scope", ""}, {NULL, NULL}};
static const struct template_value item_2[] = {{"item", ""}, {"scope", MARK}, {NULL, NULL}};
static const struct template_value *const items[] = {item_1, item_2, NULL};
static const struct template_list list = {"scopes", items};

/* What was checked puts no value in as it is, and comes to its end. */
static void try_template(struct arena *a, const char *source, const struct language *language) {
    const struct template_scope scope = {
        .values = values, .list = &list, .text = text_of, .language = language};
    struct err e = {0};
    struct buf b;

    buf_init(&b, a, PAGE_BYTES_MAX);
    if (template_check(a, source, &scope, &e)) {
        MUST(e.code == ERR_MISCONFIGURED && !strncmp(e.text, "line ", 5));
        template_render(&b, source, &scope); /* must not happen, and does no harm */
        return;
    }
    template_render(&b, source, &scope);
    MUST(!b.overflow || b.len <= PAGE_BYTES_MAX);
    MUST(!strstr(b.p, MARK) || strstr(source, MARK));
    if (!strchr(source, '{'))
        MUST(!strcmp(b.p, source));
}

/* As the file of a site: used, or reported and the built-in page in its place. */
static void try_file(struct arena *a, const char *source, const char *accept) {
    static const char *const names[] = {"consent.html", "continue.ja.html", "error.html"};
    const char *dir = fuzz_path(a, "templates");
    char *const params[] = {arena_printf(a, "HTTP_ACCEPT_LANGUAGE=%s", accept), NULL};
    const struct request rq = {.arena = a, .id = "id", .params = params};
    const struct err why = {.code = ERR_INVALID_CLIENT, .text = MARK};
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
    page_error(set, &rq, &rp, 400, &why);
    MUST(rp.status == 400 && rp.body_len <= PAGE_BYTES_MAX);
    MUST(!strstr(rp.body, MARK) || strstr(source, MARK));
    reply_init(&rp, a);
    page_error(NULL, &rq, &rp, 400, &why);
    MUST(rp.body_len && !strstr(rp.body, MARK) && is_utf8_text(rp.body));
    page_set_free(set);
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
    MUST(language >= languages && language < languages + LANGUAGE_COUNT);
    source = arena_strndup(a, (const char *)data, size);
    try_template(a, source, language);
    try_file(a, source, accept);
    arena_free(a);
    return 0;
}
