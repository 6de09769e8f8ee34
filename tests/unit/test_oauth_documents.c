/* Client documents in the host's cache, with a clock of the test, from a scripted server. */
#include "other_process.h"
#include "reply_of.h"
#include "unit.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/encode.h"
#include "base/json.h"
#include "config/config.h"
#include "crypto/digest.h"
#include "net/http.h"
#include "oauth/client_fetch.h"
#include "oauth/client_metadata.h"
#include "oauth/clients.h"
#include "oauth/site.h"
#include "shared/concurrency_limit.h"
#include "shared/single_flight.h"

#define NOW 1700000000
#define ID "https://client.example.com/c.json"
#define DOCUMENT(name)                                                                             \
    "{\"client_id\":\"" ID "\",\"client_name\":\"" name                                            \
    "\",\"redirect_uris\":[\"https://client.example.com/cb\"]}"
#define DAY 86400

/* --- the server */

static struct {
    enum rc rc;
    long status;
    const char *head, *body;
    int calls,
        asked; /* asked: is told that a fetch has begun, which then takes 200 ms; 0: nothing */
} server;

enum rc http_fetch(struct http_client *c, struct arena *a, const struct http_request *rq,
                   struct http_reply *out, struct err *e) {
    (void)c;
    assert_string_equal(rq->url, ID);
    assert_int_equal(rq->max_reply_bytes, 5120);
    assert_true(rq->timeout_ms <= 5000);
    server.calls++;
    if (server.asked) {
        (void)!write(server.asked, "y", 1);
        (void)usleep(200000);
    }
    if (server.rc)
        return err_set(e, server.rc, "scripted");
    *out = reply_of(a, server.head);
    out->status = server.status;
    out->content_type = "application/json";
    out->body = arena_strdup(a, server.body);
    out->body_len = strlen(server.body);
    return OK;
}

static void answers(const char *head, const char *body) {
    server.rc = OK;
    server.status = 200;
    server.head = head;
    server.body = body;
}

/* --- */

struct fixture {
    char dir[UNIT_PATH_MAX];
    struct arena *arena;
    struct config config;
    struct site site;
    struct oauth_site oauth;
    struct err e;
};

static int setup(void **state) {
    struct fixture *f = xcalloc(1, sizeof *f);

    memset(&server, 0, sizeof server);
    folder_make(f->dir);
    f->arena = arena_new(16 << 20);
    f->config = (struct config){
        .workers_max = 4, .host_state_dir = f->dir, .clients_allow = "", .clients_deny = ""};
    f->site.config = &f->config;
    f->site.oauth = &f->oauth;
    f->site.clock.fixed_s = NOW;
    assert_int_equal(cache_open(f->dir, 8, &f->site.clock, &f->site.cache, &f->e), OK);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;

    cache_close(f->site.cache);
    folder_remove(f->dir);
    arena_free(f->arena);
    free(f);
    return 0;
}

/* The name in the document as it is seen `after_s` seconds after the start; NULL: refused, f->e
 * says how. */
static const char *seen(struct fixture *f, int64_t after_s) {
    struct client client;

    f->site.clock.fixed_s = NOW + after_s;
    return client_find(&f->site, f->arena, ID, &client, &f->e) ? NULL : client.name;
}

static void assert_asked(int calls) {
    assert_int_equal(server.calls, calls);
    server.calls = 0;
}

static void a_document_is_kept_for_as_long_as_its_server_says(void **state) {
    static const struct {
        const char *head;
        int64_t seconds;
    } cases[] = {
        {"Cache-Control: max-age=60\r\n", 60},
        {"Cache-Control: max-age=60\r\nAge: 20\r\n", 40},
        {"", DOCUMENT_FRESH_S},
        {"Cache-Control: max-age=1\r\n", DOCUMENT_FRESH_MIN_S},
        {"Expires: 0\r\n", DOCUMENT_FRESH_MIN_S},
        {"Cache-Control: max-age=31536000\r\n", DOCUMENT_FRESH_MAX_S},
    };
    struct fixture *f = *state;
    int64_t at = 0;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++, at += 3 * DAY) {
        answers(cases[i].head, DOCUMENT("first"));
        assert_string_equal(seen(f, at), "first");
        assert_asked(1);
        answers("", DOCUMENT("second"));
        assert_string_equal(seen(f, at + cases[i].seconds - 1), "first");
        assert_asked(0);
        assert_string_equal(seen(f, at + cases[i].seconds), "second");
        assert_asked(1);
    }
}

static void what_may_not_be_stored_is_not(void **state) {
    static const char *const heads[] = {"Cache-Control: no-store\r\n",
                                        "Cache-Control: no-cache\r\n",
                                        "Cache-Control: private, max-age=60\r\n"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        answers(heads[i], DOCUMENT("n"));
        assert_non_null(seen(f, 0));
        assert_non_null(seen(f, 0));
        assert_asked(2);
        server.rc = ERR_UPSTREAM;
        assert_null(seen(f, 0)); /* not even while the server is away */
        assert_asked(1);
    }
}

static void a_server_that_does_not_answer_leaves_what_there_was(void **state) {
    struct fixture *f = *state;

    answers("Cache-Control: max-age=60\r\n", DOCUMENT("n"));
    assert_non_null(seen(f, 0));
    server.rc = ERR_UPSTREAM;
    assert_string_equal(seen(f, 60), "n");
    assert_string_equal(seen(f, 59 + DOCUMENT_STALE_S), "n");
    assert_null(seen(f, 60 + DOCUMENT_STALE_S));
    assert_int_equal(f->e.code, ERR_UPSTREAM);
    assert_asked(4);
}

static void the_server_limits_staleness(void **state) {
    struct fixture *f = *state;

    answers("Cache-Control: max-age=60, must-revalidate\r\n", DOCUMENT("n"));
    assert_non_null(seen(f, 0));
    server.rc = ERR_UPSTREAM;
    assert_null(seen(f, 60));
    answers("Cache-Control: max-age=60, stale-if-error=100\r\n", DOCUMENT("n"));
    assert_non_null(seen(f, 100));
    server.rc = ERR_UPSTREAM;
    assert_non_null(seen(f, 259));
    assert_null(seen(f, 260));
}

static void what_is_final_ends_what_there_was_and_is_not_remembered(void **state) {
    static const struct {
        enum rc rc;
        long status;
        const char *body;
    } cases[] = {
        {OK, 404, ""},
        {OK, 410, ""},
        {OK, 302, ""},
        {OK, 200, "{}"},
        {OK, 200, "not JSON"},
        {ERR_TOO_LARGE, 0, ""},
        {ERR_ACCESS_DENIED, 0, ""},
    };
    struct fixture *f = *state;
    int64_t at = 0;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++, at += 3 * DAY) {
        answers("Cache-Control: max-age=60\r\n", DOCUMENT("n"));
        assert_non_null(seen(f, at));
        server.rc = cases[i].rc;
        server.status = cases[i].status;
        server.body = cases[i].body;
        server.calls = 0;
        assert_null(seen(f, at + 60));
        assert_int_equal(f->e.code, ERR_INVALID_CLIENT);
        assert_null(seen(f, at + 60));
        assert_int_equal(f->e.code, ERR_INVALID_CLIENT);
        assert_asked(2);
        server.rc = ERR_UPSTREAM;
        assert_null(seen(f, at + 61)); /* the old one is not brought back */
        assert_int_equal(f->e.code, ERR_UPSTREAM);
        assert_asked(1);
        answers("", DOCUMENT("mended"));
        assert_string_equal(seen(f, at + 61), "mended");
        assert_asked(1);
    }
}

static void what_may_pass_is_not_remembered(void **state) {
    static const long statuses[] = {429, 500, 502, 503};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        answers("", "");
        server.status = statuses[i];
        assert_null(seen(f, 0));
        assert_int_equal(f->e.code, ERR_UPSTREAM);
        assert_null(seen(f, 0));
        assert_asked(2);
    }
    answers("", DOCUMENT("n"));
    assert_non_null(seen(f, 0));
}

static void what_is_kept_is_checked_again(void **state) {
    struct fixture *f = *state;
    uint8_t digest[SHA256_LEN];
    const struct cache_entry value =
        cache_text_entry("{\"text\":\"{}\",\"fresh_until\":9999999999}", 600);

    sha256(ID, strlen(ID), digest);
    assert_int_equal(cache_set(f->site.cache,
                               arena_printf(f->arena, "doc:%s",
                                            base64url_encode(f->arena, digest, sizeof digest)),
                               &value, 10, &f->e),
                     OK);
    answers("Cache-Control: max-age=600\r\n", DOCUMENT("n"));
    assert_string_equal(seen(f, 0), "n"); /* instead of the rubbish that lay there */
    assert_asked(1);
    f->config.clients_deny = "client.example.com";
    assert_null(seen(f, 0)); /* the lists count for kept ones too */
    assert_asked(0);
}

struct share_wanted {
    const char *dir, *site;
};

static bool take_share(void *arg) {
    const struct share_wanted *w = arg;
    char path[2 * UNIT_PATH_MAX];
    const struct concurrency_share share = {.path = path, .total = 6, .per_owner = 6};
    struct err e;
    int fd;

    (void)snprintf(path, sizeof path, "%s/" DOCUMENT_FETCHES, w->dir);
    return !concurrency_share_take(&share, w->site, &fd, &e);
}

/* Another worker waits for a document of this site until it is killed. "": of the only one. */
static pid_t wait_for_document(const struct fixture *f, const char *site) {
    struct share_wanted w = {f->dir, site};

    return process_hold(take_share, &w);
}

static bool finds_nothing(void *arg) {
    (void)arg;
    return false;
}

/* Another process fetches the document, for 200 ms, and keeps it if there is one. */
static pid_t another_fetches(struct fixture *f, const char *kept) {
    uint8_t digest[SHA256_LEN];
    const char *key;
    int ready[2];
    char c = 0;
    pid_t pid;

    sha256(ID, strlen(ID), digest);
    key = arena_printf(f->arena, "doc:%s", base64url_encode(f->arena, digest, sizeof digest));
    assert_int_equal(pipe(ready), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        const struct cache_entry entry = cache_text_entry(kept ? kept : "", 600);
        struct single_flight flight = {
            .name = key, .lease_s = 10, .until_ms = 0, .find = finds_nothing};
        struct err e;

        if (!cache_open(f->dir, 8, &f->site.clock, &flight.cache, &e))
            c = single_flight_begin(&flight, &e) == FLIGHT_LEADS ? 'y' : 'n';
        (void)!write(ready[1], &c, 1);
        (void)usleep(200000);
        if (kept)
            (void)!cache_set(flight.cache, key, &entry, 10, &e);
        single_flight_end(&flight);
        _exit(0);
    }
    (void)close(ready[1]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    (void)close(ready[0]);
    assert_int_equal(c, 'y');
    return pid;
}

static void what_another_worker_fetches_is_not_fetched_again(void **state) {
    struct fixture *f = *state;
    struct json *kept = json_new_object(f->arena);
    size_t len;
    pid_t pid;

    json_put_str(kept, "text", DOCUMENT("theirs"));
    json_put_int(kept, "fresh_until", NOW + 600);
    answers("", DOCUMENT("mine"));
    f->site.clock.fixed_s = NOW;
    pid = another_fetches(f, json_text(f->arena, kept, &len));
    assert_string_equal(seen(f, 0), "theirs");
    assert_asked(0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void what_another_worker_does_not_get_is_fetched(void **state) {
    struct fixture *f = *state;
    pid_t pid;

    answers("", DOCUMENT("mine"));
    pid = another_fetches(f, NULL);
    assert_string_equal(seen(f, 0), "mine");
    assert_asked(1);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* But for those alone who wait for that very answer. */
static void what_another_worker_is_refused_is_not_fetched_again(void **state) {
    struct fixture *f = *state;
    int ready[2];
    pid_t pid;
    char c;

    answers("", DOCUMENT("mended"));
    assert_int_equal(pipe(ready), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        server.status = 404;
        server.asked = ready[1];
        _exit(cache_open(f->dir, 8, &f->site.clock, &f->site.cache, &f->e) || seen(f, 0));
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_null(seen(f, 0));
    assert_int_equal(f->e.code, ERR_INVALID_CLIENT);
    assert_non_null(strstr(f->e.text, "404"));
    assert_asked(0);
    assert_string_equal(seen(f, 0), "mended");
    assert_asked(1);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

static void half_of_the_workers_wait_for_documents_and_no_more(void **state) {
    struct fixture *f = *state;
    pid_t first, second;

    answers("", DOCUMENT("n"));
    first = wait_for_document(f, ""); /* of 4 workers */
    second = wait_for_document(f, "");
    assert_null(seen(f, 0));
    assert_int_equal(f->e.code, ERR_UPSTREAM);
    assert_asked(0);
    process_kill(first);
    assert_non_null(seen(f, 0));
    first = wait_for_document(f, "");
    assert_non_null(seen(f, 0)); /* what is kept needs no share */
    assert_asked(1);
    process_kill(first);
    process_kill(second);
}

static void of_several_sites_one_takes_a_quarter_and_all_together_three(void **state) {
    struct fixture *f = *state;
    pid_t waiting[6];

    f->config.workers_max = 8;
    f->config.site = "own";
    f->site.has_others = true;
    answers("Cache-Control: no-store\r\n", DOCUMENT("n"));
    waiting[0] = wait_for_document(f, "own");
    assert_non_null(seen(f, 0));
    waiting[1] = wait_for_document(f, "own");
    assert_null(seen(f, 0));
    assert_int_equal(f->e.code, ERR_UPSTREAM);
    process_kill(waiting[1]);
    for (size_t i = 1; i < 6; i++) {
        assert_non_null(seen(f, 0));
        waiting[i] = wait_for_document(f, "another");
    }
    assert_null(seen(f, 0));
    assert_asked(6);
    for (size_t i = 0; i < 6; i++)
        process_kill(waiting[i]);
}

/* Somebody's slow documents have the whole share: known clients log their users in all the same. */
static void one_that_cannot_be_asked_for_now_leaves_what_there_was(void **state) {
    struct fixture *f = *state;
    pid_t first, second;

    answers("Cache-Control: max-age=60\r\n", DOCUMENT("n"));
    assert_non_null(seen(f, 0));
    assert_asked(1);
    first = wait_for_document(f, "");
    second = wait_for_document(f, "");
    assert_string_equal(seen(f, 60), "n");
    assert_asked(0);
    process_kill(first);
    process_kill(second);
    server.status = 503; /* RFC 5861 §4 */
    assert_string_equal(seen(f, 60), "n");
    server.status = 429;
    assert_string_equal(seen(f, 60), "n");
    assert_asked(2);
    answers("", DOCUMENT("second"));
    assert_string_equal(seen(f, 60), "second");
}

static void lists_of_clients(void **state) {
    static const struct {
        const char *list, *id;
        bool has;
    } cases[] = {
        {"client.example.com", ID, true},
        {"CLIENT.example.com", ID, true},
        {"example.com", ID, false},
        {"*.example.com", ID, true},
        {"*.client.example.com", ID, false},
        {"*.EXAMPLE.com", ID, true},
        {"*.ample.com", ID, false},
        {"a.example b.example client.example.com", ID, true},
        {ID, ID, true},
        {ID, ID "x", false},
        {"https://client.example.com/", ID, true},
        {"https://client.example.com/d/", ID, false},
        {"https://client.example.com", ID, false},
        {"client.example.com", "https://client.example.com.:443/c.json", true},
        {"client.example.com", "https://client.example.com@evil.example/c.json", false},
        {"client.example.com", "https://evil.example/client.example.com", false},
        {"client.example.com", "http://client.example.com/c", false},
        {"[2001:db8::1]", "https://[2001:0DB8:0::1]/c.json", true},
        {"[2001:db8::1]", "https://[2001:db8::2]/c.json", false},
        {"[2001:db8::1", "https://[2001:db8::1]/c.json", false},
        {"[", "https://[2001:db8::1]/c.json", false},
        {"pinned-client", "pinned-client", true},
        {"pinned", "pinned-client", false},
        {"", ID, false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (client_list_has(((struct fixture *)*state)->arena, cases[i].list, cases[i].id) !=
            cases[i].has)
            fail_msg("%s: %s", cases[i].list, cases[i].id);
}

/* What is denied is so however it is written, and what is allowed only as it is. */
static void who_is_denied(void **state) {
    static const struct {
        const char *list, *id;
        bool is_denied;
    } cases[] = {
        {"https://c.example/evil/", "https://c.example/evil/c.json", true},
        {"https://c.example/evil/", "https://C.example/evil/c.json", true},
        {"https://c.example/evil/", "https://c.example./evil/c.json", true},
        {"https://c.example/evil/", "https://c.example:0443/evil/c.json", true},
        {"https://c.example/evil/", "https://c.example/%65vil/c.json", true},
        {"https://c.example/evil/", "https://c.example//evil/c.json", true},
        {"https://c.example/evil/", "https://c.example/evil%2Fc.json", true},
        {"https://c.example/evil/", "https://c.example/evil//c.json?%zz", true},
        {"https://c.example/evil/", "https://c.example/good/c.json", false},
        {"https://c.example/evil/", "https://d.example/evil/c.json", false},
        {"https://c.example/evil/", "https://d.example/evil/c.json?%zz", false},
        {"https://C.example:443/c.json", "https://c.example/c%2Ejson", true},
        {"https://c.example/c.json", "https://c.example/c.json?x", false},
        {"d.example https://c.example/c.json", "https://c.example:8443/c.json", true},
        {"https://[2001:db8::1]/c.json", "https://[2001:0DB8:0::1]/c.json", true},
        {"c.example", "https://c.example./c.json", true},
        {"pinned", "pinned", true},
        {"pinned https://c.example/evil/", "another", false},
        {"", "https://c.example/evil/c.json", false},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        f->config.clients_deny = cases[i].list;
        if ((client_admit(&f->site, f->arena, cases[i].id, &f->e) != OK) != cases[i].is_denied)
            fail_msg("%s: %s", cases[i].list, cases[i].id);
    }
    f->config.clients_deny = "";
    f->config.clients_allow = "https://c.example/good/";
    assert_int_equal(client_admit(&f->site, f->arena, "https://c.example/good/c.json", &f->e), OK);
    assert_int_not_equal(client_admit(&f->site, f->arena, "https://c.example/%67ood/c.json", &f->e),
                         OK);
}

#define WITH_SERVER(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_document_is_kept_for_as_long_as_its_server_says),
        WITH_SERVER(what_may_not_be_stored_is_not),
        WITH_SERVER(a_server_that_does_not_answer_leaves_what_there_was),
        WITH_SERVER(the_server_limits_staleness),
        WITH_SERVER(what_is_final_ends_what_there_was_and_is_not_remembered),
        WITH_SERVER(what_may_pass_is_not_remembered),
        WITH_SERVER(what_is_kept_is_checked_again),
        WITH_SERVER(what_another_worker_fetches_is_not_fetched_again),
        WITH_SERVER(what_another_worker_does_not_get_is_fetched),
        WITH_SERVER(what_another_worker_is_refused_is_not_fetched_again),
        WITH_SERVER(half_of_the_workers_wait_for_documents_and_no_more),
        WITH_SERVER(of_several_sites_one_takes_a_quarter_and_all_together_three),
        WITH_SERVER(one_that_cannot_be_asked_for_now_leaves_what_there_was),
        WITH_SERVER(lists_of_clients),
        WITH_SERVER(who_is_denied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
