/* Templates, languages, and the pages made of both. */
#include "unit.h"

#include "pages/page.h"

static const struct template_value ada[] = {{"who", "Ada"}, {"mark", "!"}, {NULL, NULL}};
static const struct template_value bob[] = {{"who", "<Bob>"}, {"mark", ""}, {NULL, NULL}};
static const struct template_value *const people[] = {ada, bob, NULL};
static const struct template_value *const nobody[] = {NULL};
static const struct template_list guests = {"guests", people};
static const struct template_list no_guests = {"guests", nobody};
static const struct template_value values[] = {
    {"name", "a<b>&\"'{{who}}"}, {"empty", ""}, {"full", "x"}, {NULL, NULL}};

static const char *some_text(const void *language, const char *name) {
    return !strcmp(name, "hi")      ? "<b>{{name}}</b>"
           : !strcmp(name, "who")   ? "{{who}}"
           : !strcmp(name, "again") ? "{{text.again}}"
           : language               ? "other"
                                    : NULL;
}

static const char *render(struct arena *a, const char *source, const struct template_list *list) {
    const struct template_scope s = {.values = values, .list = list, .text = some_text};
    struct buf b;

    buf_init(&b, a, 4096);
    template_render(&b, source, &s);
    return b.p;
}

static void values_are_escaped_and_are_no_templates(void **state) {
    assert_string_equal(render(*state, "[{{name}}]", &guests),
                        "[a&lt;b&gt;&amp;&quot;&#39;{{who}}]");
    assert_string_equal(render(*state, "{{ name }}{{!not {{this}}", &guests),
                        "a&lt;b&gt;&amp;&quot;&#39;{{who}}");
    assert_string_equal(render(*state, "{{text.hi}}", &guests),
                        "<b>a&lt;b&gt;&amp;&quot;&#39;{{who}}</b>");
}

static void sections_are_conditions_and_loops(void **state) {
    assert_string_equal(render(*state, "{{#full}}1{{/full}}{{#empty}}2{{/empty}}", &guests), "1");
    assert_string_equal(render(*state, "{{^full}}1{{/full}}{{^empty}}2{{/empty}}", &guests), "2");
    assert_string_equal(render(*state,
                               "{{#guests}}{{who}}{{#mark}}{{mark}}{{/mark}}{{full}},{{/guests}}.",
                               &guests),
                        "Ada!x,&lt;Bob&gt;x,.");
    assert_string_equal(render(*state, "{{#guests}}{{text.who}} {{/guests}}", &guests),
                        "Ada &lt;Bob&gt; ");
    assert_string_equal(
        render(*state, "{{#guests}}{{who}}{{/guests}}{{^guests}}none{{/guests}}", &no_guests),
        "none");
    assert_string_equal(render(*state, "{{#empty}}{{#full}}1{{/full}}2{{/empty}}3", &guests), "3");
}

static void a_wrong_template_is_reported_with_its_line(void **state) {
    static const struct {
        const char *source, *said;
    } wrong[] = {
        {"a\n{{nothing}}", "line 2: there is no value of the name nothing"},
        {"{{#full}}\n\n{{nothing}}{{/full}}", "line 3: there is no value"},
        {"{{#empty}}{{nothing}}{{/empty}}", "line 1: there is no value"},
        {"{{#nothing}}{{/nothing}}", "line 1: there is no value of the name nothing"},
        {"{{#guests}}{{name}}{{other}}{{/guests}}", "of the name other"},
        {"{{guests}}", "a list is written as a section: guests"},
        {"{{who}}", "of the name who"},
        {"{{#full}}", "a section is not closed: full"},
        {"{{#full}}{{/empty}}", "closes what was not opened last: empty"},
        {"{{/full}}", "closes what was not opened last: full"},
        {"{{name", "{{ is not closed by }}"},
        {"\n\n{{{name}}}", "line 3: this is no placeholder"},
        {"{{&name}}", "this is no placeholder"},
        {"{{}}", "this is no placeholder"},
        {"{{na me}}", "this is no placeholder"},
        {"{{text.who}}", "this text cannot be used on this page: text.who"},
        {"{{text.again}}", "this text cannot be used"},
        {"{{text.nothing}}", "of the name text.nothing"},
        {"{{#full}}{{#full}}{{#full}}{{#full}}{{#full}}{{#full}}{{#full}}{{#full}}{{#full}}"
         "{{/full}}{{/full}}{{/full}}{{/full}}{{/full}}{{/full}}{{/full}}{{/full}}{{/full}}",
         "too many sections"},
        {"{{#guests}}{{#full}}{{#guests}}{{who}}{{/guests}}{{/full}}{{/guests}}",
         "a list cannot stand in itself: guests"},
        {"{{na\x1bme}}", "this is no placeholder: {{na?me}}"},
    };
    const struct template_scope s = {.values = values, .list = &guests, .text = some_text};
    struct err e;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (template_check(*state, wrong[i].source, &s, &e) != ERR_MISCONFIGURED)
            fail_msg("accepted: %s", wrong[i].source);
        if (!strstr(e.text, wrong[i].said))
            fail_msg("%s: %s", wrong[i].source, e.text);
    }
    assert_int_equal(template_check(*state,
                                    "{{#guests}}{{who}}{{text.who}}{{full}}{{/guests}}{{! }}"
                                    "{{text.hi}}{{^empty}}{{name}}{{/empty}} { }} {x}",
                                    &s, &e),
                     OK);
}

static void a_name_ends_no_quotation_and_hides_nothing(void **state) {
    static const struct {
        const char *name, *shown;
    } cases[] = {
        {"Claude", "Claude"},
        {"", "?"},
        {" \t\r\n\x01\x7f", "?"},
        {"\u201cA\u201d \u00abB\u00bb \"C\"", "'A' 'B' 'C'"},
        {"''\u2019\u2019``x", "'x"},
        {"'\u200b'x", "'x"}, /* not two that look like one mark */
        {"a\u202e\u2066b\u00ad\U000e0041c", "abc"},
        {"a \u00a0\u3000\u2028\xc2\x85 b", "a b"},
        {"\u300cA\u300d", "'A'"},
        {"\u0915\u094d\u200d\u0937 \U0001f469\u200d\U0001f4bb",
         "\u0915\u094d\u200d\u0937 \U0001f469\u200d\U0001f4bb"},
        {"ok \xff no", "ok"}, /* what is not UTF-8 is no name any more */
        {"\uffff\U0010ffff", "\uffff\U0010ffff"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(display_name(*state, cases[i].name), cases[i].shown);
}

static void the_language_follows_the_header(void **state) {
    static const struct {
        const char *header, *tag;
    } cases[] = {
        {NULL, "en"},
        {"", "en"},
        {"ja", "ja"},
        {"JA-jp", "ja"},
        {"ja-JP,en;q=0.9", "ja"},
        {"en-US,en;q=0.9,ja;q=0.8", "en"},
        {"en;q=0.8,ja;q=0.9", "ja"},
        {"de, fr;q=0.9, ja;q=0.1", "ja"},
        {"de, *;q=0.5", "en"},
        {"ja;q=0, en", "en"},
        {"ja;q=0", "en"},
        {"jam, jay", "en"},
        {"en;q=0.801 , ja;q=0.802", "ja"},
        {"ja;q=0.9999, en;q=0.5", "ja"},
        {"ja;level=1, en;q=0.1", "ja"}, /* a parameter that is none counts for nothing */
        {"ja;q=x", "ja"},
        {"en;q=0, *", "ja"},
        {"*, en;q=0", "ja"},
        {"*, ja;q=0", "en"},
        {"en;q=0, ja;q=0, *", "en"},
        {"en;q=0.3, *;q=0.5", "ja"},
        {"ja;q=0.3, *;q=0.5", "en"},
        {"*", "en"},
        {"ja, *", "ja"},
        {"*, ja", "en"},
        {"en-GB, en;q=0, ja;q=0.1", "ja"},
        {"fr;x=\", ja\", de", "en"},
        {"ja;x=\";q=0\"", "ja"},
        {";;;,,,q=1,ja", "ja"},
        {"zh-Hant-TW-x-private-long-long-long-long-long-long,ja;q=0.3", "ja"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (strcmp(language_choose(cases[i].header)->tag, cases[i].tag) != 0)
            fail_msg("%s: %s", cases[i].header, language_choose(cases[i].header)->tag);
}

static void every_language_has_every_text(void **state) {
    const struct language *english = languages();

    (void)state;
    for (size_t l = 0; l < LANGUAGE_COUNT; l++) {
        for (size_t i = 0; i < english->word_count; i++)
            if (!language_text(&languages()[l], english->words[i].name))
                fail_msg("%s lacks %s", languages()[l].tag, english->words[i].name);
        for (size_t i = 0; i < languages()[l].word_count; i++) {
            const struct word *w = &languages()[l].words[i];

            assert_true(*w->text && w->text[strlen(w->text) - 1] != ' ');
            if (!strchr(w->name, ' ') && !language_text(english, w->name))
                fail_msg("%s has %s, which is no name of a text", languages()[l].tag, w->name);
        }
        for (int code = OK; code < ERR_COUNT; code++)
            assert_non_null(language_text(&languages()[l], error_advice((enum rc)code)));
    }
}

/* ---- reasons ---- */

/* Where the errors are set that a page can show; `code`: those of this one only. */
static const struct {
    const char *path, *code;
} sources[] = {
    {"src/oauth/authorize.c", NULL},
    {"src/oauth/browser.c", NULL},
    {"src/oauth/callback.c", NULL},
    {"src/oauth/clients.c", NULL},
    {"src/oauth/client_metadata.c", NULL},
    {"src/oauth/client_registration.c", "ERR_INVALID_CLIENT,"},
    {"src/oauth/client_fetch.c", NULL},
    {"src/idp/provider_cognito.c", NULL},
    {"src/idp/idp.c", "ERR_INVALID_REQUEST,"},
    {"src/oauth/login.c", "ERR_INVALID_REQUEST,"},
    {"src/base/url.c", NULL},
    {"src/web/request.c", NULL},
    {"src/app/handle.c", NULL},
    {"src/app/request_filters.c", NULL},
    {"src/store/sessions_lmdb.c", "ERR_STORE,"},
    {"src/store/sessions_dynamodb.c", "ERR_STORE,"},
};
/* How they are set; code: that which is not among the arguments. */
static const struct {
    const char *name, *code;
} calls[] = {{"err_set(", NULL},
             {"invalid_request(", "ERR_INVALID_REQUEST,"},
             {"invalid_client(", "ERR_INVALID_CLIENT,"}};
/* What is set there too, begins so, and is shown to admins only. */
static const char *const for_admins[] = {
    "STATE_DIR 7 must be a folder", "client_id is missing or too long",
    "client_id stands in another file too", "there are more than 7 files"};

static const char *read_source(struct arena *a, const char *path) {
    char *text = arena_alloc(a, 65536);
    FILE *f = fopen(path, "re");

    assert_non_null(f);
    assert_true(fread(text, 1, 65535, f) < 65535);
    (void)fclose(f);
    return text;
}

/* The string literals up to the end of the statement, with a 7 for what is put in. */
static const char *message_at(struct arena *a, const char *p) {
    struct buf b;

    buf_init(&b, a, 1024);
    for (bool inside = false; *p && (inside || *p != ';'); p++) {
        if (*p == '"')
            inside = !inside;
        else if (inside && *p == '%') {
            p += strcspn(p, "dsu");
            buf_addc(&b, '7');
        } else if (inside)
            buf_addc(&b, *p);
    }
    return b.p;
}

static bool is_for_admins(const char *message) {
    for (size_t i = 0; i < sizeof for_admins / sizeof *for_admins; i++)
        if (!strncmp(for_admins[i], message, strlen(for_admins[i])))
            return true;
    return false;
}

/* Returns how many reasons this source sets by this call. */
static size_t check_reasons(struct arena *a, size_t source, size_t call) {
    const char *path = sources[source].path, *wanted = sources[source].code;
    size_t found = 0;

    for (const char *p = read_source(a, path); (p = strstr(p, calls[call].name));) {
        const char *message, *code;

        p += strlen(calls[call].name);
        code = calls[call].code ? calls[call].code : strstr(p, "ERR_");
        message = message_at(a, p);
        if (!strcmp(message, "7") || is_for_admins(message) ||
            (wanted && strncmp(code, wanted, strlen(wanted)) != 0))
            continue;
        found++;
        if (!language_reason(a, &languages()[1], message))
            fail_msg("%s: a page can show \"%s\": add it in Japanese to share/words/ja", path,
                     message);
    }
    return found;
}

static void every_reason_that_a_page_shows_is_there_in_japanese(void **state) {
    size_t found = 0;

    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        for (size_t n = 0; n < sizeof calls / sizeof *calls; n++)
            found += check_reasons(*state, i, n);
    assert_true(found > 60);
}

static void a_reason_keeps_what_was_put_into_it(void **state) {
    const struct language *ja = &languages()[1];

    assert_string_equal(language_reason(*state, ja, "state is longer than 2048 bytes"),
                        "stateが 2048 バイトを超えています");
    assert_string_equal(language_reason(*state, ja, "the URL is longer than 2048 bytes"),
                        "URL が 2048 バイトを超えています");
    assert_string_equal(
        language_reason(*state, ja, "the server of the client's document answered with status 404"),
        "クライアントの文書のサーバーが、ステータス 404 を返しました");
    assert_null(language_reason(*state, ja, "something else"));
    assert_null(language_reason(*state, ja, "client_id is missing."));
    assert_null(language_reason(*state, ja, " is longer than  bytes"));
    assert_string_equal(language_reason(*state, languages(), "anything"), "anything");
}

/* ---- files ---- */

static const char *page_of(struct arena *a, const struct page_set *set, const char *accept) {
    char *params[] = {arena_printf(a, "HTTP_ACCEPT_LANGUAGE=%s", accept), NULL};
    const struct request rq = {.arena = a, .id = "r-1", .params = params};
    struct err e;
    struct reply rp;

    (void)err_set(&e, ERR_INVALID_REQUEST, "it is <wrong>");
    e.advice = "advice.client";
    reply_init(&rp, a);
    page_error(set, &rq, &rp, &(struct page_problem){400, &e, "", ""});
    assert_int_equal(rp.status, 400);
    return rp.body;
}

static void a_fifo_in_place_of_a_template_holds_nobody(void **state) {
    char dir[UNIT_PATH_MAX], *text = NULL;
    const char *path;
    unsigned bad;
    size_t len;
    FILE *problems = open_memstream(&text, &len);

    folder_make(dir);
    path = arena_printf(*state, "%s/error.html", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    (void)alarm(60);
    page_set_free(page_set_load(dir, problems, &bad));
    (void)alarm(0);
    assert_int_equal(fclose(problems), 0);
    assert_int_equal(bad, 1);
    assert_non_null(strstr(text, "error.html: cannot be read: it is a FIFO"));
    free(text);
    folder_remove(dir);
}

static void files_replace_pages_and_bad_ones_are_left_out(void **state) {
    char dir[UNIT_PATH_MAX], *text = NULL, *big;
    struct page_set *set;
    unsigned bad;
    size_t len;
    FILE *problems = open_memstream(&text, &len);

    folder_make(dir);
    file_write_in(dir, "error.html",
                  "own {{status}} {{reason}} {{number}} {{text.error_title}} {{lang}}", 0600);
    file_write_in(dir, "error.ja.html", "自前 {{reason}}", 0600);
    file_write_in(dir, "consent.html", "<form>{{client_host}}</form>", 0600);
    file_write_in(dir, "continue.html", "{{uri}}\n{{url}}", 0600);
    set = page_set_load(dir, problems, &bad);
    assert_int_equal(fclose(problems), 0);
    assert_int_equal(bad, 2);
    assert_non_null(strstr(text, "consent.html: without {{request}} the page cannot work; the "
                                 "built-in page is used\n"));
    assert_non_null(strstr(text, "continue.html: line 2: there is no value of the name url"));
    assert_string_equal(page_of(*state, set, "en"),
                        "own 400 it is &lt;wrong&gt; r-1 This did not work en");
    assert_string_equal(page_of(*state, set, "ja"), "自前 it is &lt;wrong&gt;");
    page_set_free(set);
    free(text);

    /* Too long, and unreadable as a file at all. */
    big = xcalloc(1, PAGE_FILE_BYTES_MAX + 2);
    memset(big, 'x', PAGE_FILE_BYTES_MAX + 1);
    file_write_in(dir, "error.html", big, 0600);
    free(big);
    assert_int_equal(unlink(arena_printf(*state, "%s/continue.html", dir)), 0);
    assert_int_equal(mkdir(arena_printf(*state, "%s/continue.html", dir), 0700), 0);
    problems = open_memstream(&text, &len);
    set = page_set_load(dir, problems, &bad);
    assert_int_equal(fclose(problems), 0);
    assert_int_equal(bad, 3);
    assert_non_null(strstr(text, "error.html: is longer than 65536 bytes"));
    assert_non_null(strstr(page_of(*state, set, "en"), "<title>This did not work</title>"));
    page_set_free(set);
    free(text);
    folder_remove(dir);
}

/* What is built in passes the check that an admin's files pass. */
static void our_own_pages_are_good_templates(void **state) {
    char *text = NULL;
    unsigned bad;
    size_t len;
    FILE *problems = open_memstream(&text, &len);
    struct page_set *set = page_set_load("share/templates", problems, &bad);

    (void)state;
    assert_int_equal(fclose(problems), 0);
    assert_string_equal(text, "");
    assert_int_equal(bad, 0);
    assert_non_null(strstr(page_builtin_consent, "name=\"decision\" value=\"approve\""));
    page_set_free(set);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(values_are_escaped_and_are_no_templates),
        WITH_ARENA(sections_are_conditions_and_loops),
        WITH_ARENA(a_wrong_template_is_reported_with_its_line),
        WITH_ARENA(a_name_ends_no_quotation_and_hides_nothing),
        WITH_ARENA(the_language_follows_the_header),
        WITH_ARENA(every_language_has_every_text),
        WITH_ARENA(every_reason_that_a_page_shows_is_there_in_japanese),
        WITH_ARENA(a_reason_keeps_what_was_put_into_it),
        WITH_ARENA(files_replace_pages_and_bad_ones_are_left_out),
        WITH_ARENA(a_fifo_in_place_of_a_template_holds_nobody),
        WITH_ARENA(our_own_pages_are_good_templates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
