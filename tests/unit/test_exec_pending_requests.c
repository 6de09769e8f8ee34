/* A parked call (exec/pending_requests.c) that nobody answers: each kind of program that may ask
 * waits for PROGRAM_TIMEOUT_MS_MAX and no longer. The stream holder's part is
 * test_stream_holder.c's. */
#include "mcp_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "catalog/program.h"
#include "crypto/seal.h"
#include "runner_fixture.h"
#include "shared/cache.h"
#include "web/parked.h"

#define ELICITS                                                                                    \
    "cat >/dev/null; echo '{\"inputRequired\":{\"inputRequests\":{\"a\":{\"method\":"              \
    "\"elicitation/create\",\"params\":{\"message\":\"m\",\"requestedSchema\":{\"type\":"          \
    "\"object\",\"properties\":{}}}}}}}'"

/* A client that reads all, and a stream holder that takes what is parked. */
static struct holder {
    struct reply_sink sink;
    char text[4096], state[4096];
    size_t len;
    int taken[PARKED_FDS], client[2];
    int64_t until_ms;
} holder;

static enum rc begin(struct reply_sink *s, const struct reply *rp) {
    (void)s;
    (void)rp;
    return OK;
}

static enum rc write_all(struct reply_sink *s, const char *text, size_t len) {
    (void)s;
    assert_true(holder.len + len < sizeof holder.text);
    memcpy(holder.text + holder.len, text, len);
    holder.len += len;
    return OK;
}

static bool park(struct reply_sink *s, const struct parked *parked) {
    (void)s;
    assert_true(parked->state.len < sizeof holder.state);
    (void)snprintf(holder.state, sizeof holder.state, "%.*s", (int)parked->state.len,
                   parked->state.p);
    holder.until_ms = parked->until_ms;
    for (int i = 0; i < PARKED_FDS; i++)
        holder.taken[i] = parked->fds[i] < 0 ? -1 : fcntl(parked->fds[i], F_DUPFD_CLOEXEC, 0);
    return true;
}

/* ---- the site ---- */

/* What may ask: the member that names it, in the manifest and in the request. */
static const struct asker {
    const char *method, *params, *file, *manifest;
} askers[] = {
    {"tools/call", "\"name\":\"ask\"", NULL, NULL},
    {"prompts/get", "\"name\":\"ask\"", "prompts/ask.json", "{\"name\":\"ask\""},
    {"resources/read", "\"uri\":\"ask://it\"", "resources/ask.json",
     "{\"name\":\"ask\",\"uri\":\"ask://it\""},
};
#define ASKERS (sizeof askers / sizeof *askers)

static struct cache *cache;
static struct seal_keys *keys;

static const char *make_folder(const char *name) {
    const char *path = arena_printf(site.arena, "%s/%s", site.dir, name);

    assert_int_equal(mkdir(path, 0700), 0);
    return path;
}

static int begin_all(void **state) {
    struct err e;

    (void)site_begin(state);
    site.config.prompts_dir = make_folder("prompts");
    site.config.resources_dir = make_folder("resources");
    site_tool(&site, "ask", ELICITS, "", ",\"output\":\"json\"");
    for (size_t i = 1; i < ASKERS; i++)
        site_file(&site, askers[i].file,
                  arena_printf(site.arena,
                               "%s,\"run\":{\"command\":[\"../ask.sh\"],"
                               "\"output\":\"json\"}}",
                               askers[i].manifest),
                  0644);
    site_load(&site);
    assert_int_equal(cache_open(site.dir, 8, &site.base.clock, &cache, &e), OK);
    keys = seal_keys_new();
    site.base.cache = cache;
    site.base.seal = keys;
    holder = (struct holder){.sink = {.begin = begin, .write = write_all, .park = park}};
    assert_int_equal(pipe(holder.client), 0);
    holder.sink.fd = holder.client[0]; /* never readable: the client stays */
    return 0;
}

static int end_all(void **state) {
    (void)close(holder.client[0]);
    (void)close(holder.client[1]);
    cache_close(cache);
    seal_keys_free(keys);
    return site_end(state);
}

/* ---- the call ---- */

static void open_session(void) {
    post_old(&p, "initialize",
             "\"protocolVersion\":\"2025-06-18\",\"capabilities\":{\"elicitation\":{}}");
    post_header(&p,
                arena_printf(p.arena, "HTTP_MCP_SESSION_ID=%s", reply_value(&p, "Mcp-Session-Id")));
    post_header(&p, "HTTP_MCP_PROTOCOL_VERSION=2025-06-18");
    p.sink = &holder.sink;
}

/* The state of the parked call, with another time of its end. */
static struct text state_until(int64_t until_ms) {
    const char *member = "\"until_ms\":", *at = strstr(holder.state, member), *after;

    assert_non_null(at);
    at += strlen(member);
    after = at + strspn(at, "0123456789");
    return text_of(arena_printf(p.arena, "%.*s%lld%s", (int)(at - holder.state), holder.state,
                                (long long)until_ms, after));
}

/* A worker goes on with it. */
static void resume(const struct asker *asker, struct text state) {
    struct resumed resumed = {.state = state};

    memcpy(resumed.fds, holder.taken, sizeof resumed.fds);
    p.resumed = &resumed;
    holder.len = 0;
    memset(holder.text, 0, sizeof holder.text);
    post_old(&p, asker->method, asker->params);
    p.resumed = NULL;
    for (int i = 0; i < PARKED_FDS; i++)
        if (resumed.fds[i] >= 0)
            (void)close(resumed.fds[i]);
}

static void nobody_answers(const struct asker *asker) {
    const int64_t before_ms = clock_monotonic_ms();

    post_old(&p, asker->method, asker->params);
    assert_true(p.reply.parked);
    assert_non_null(strstr(holder.text, "\"method\":\"elicitation/create\""));
    assert_in_range(holder.until_ms, before_ms + PROGRAM_TIMEOUT_MS_MAX,
                    clock_monotonic_ms() + PROGRAM_TIMEOUT_MS_MAX);

    /* Something else has arrived: it goes on waiting, and until the same time. */
    resume(asker, text_of(holder.state));
    assert_true(p.reply.parked);
    assert_string_equal(holder.text, "");

    resume(asker, state_until(clock_monotonic_ms()));
    assert_false(p.reply.parked);
    assert_non_null(strstr(holder.text, "\"method\":\"notifications/cancelled\""));
    assert_non_null(strstr(holder.text, "\"error\":{\"code\":-32603,\"message\":\"The client did "
                                        "not answer elicitation/create in time\""));
}

static void a_question_ends_when_nobody_answers_in_time(void **state) {
    (void)state;
    open_session();
    for (size_t i = 0; i < ASKERS; i++)
        nobody_answers(&askers[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_question_ends_when_nobody_answers_in_time, begin_all,
                                        end_all),
    };

    return cmocka_run_group_tests(tests, runner_setup, runner_teardown);
}
