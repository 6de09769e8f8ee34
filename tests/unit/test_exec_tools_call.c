/* Calls of tools, and what a program's output becomes. */
#include "unit.h"

#include "exec/limits.h"
#include "mcp_fixture.h"
#include "runner_fixture.h"
#include "shared/daily_counts.h"

static void send_old(const char *method, const char *params) {
    post_header(&p, "HTTP_MCP_PROTOCOL_VERSION");
    post_old(&p, method, params);
}

/* A call of 2026-07-28. `arguments` are its members. */
static void call(const char *tool, const char *arguments) {
    post_modern(&p, "tools/call", tool,
                arena_printf(p.arena, "\"name\":\"%s\",\"arguments\":{%s}", tool, arguments));
}

static void whoami_says_what_the_token_says(void **state) {
    (void)state;
    site_load(&site);
    call("whoami", "");
    expect_result(&p);
    assert_string_equal(json_text(p.arena, json_get(post_result(&p), "structuredContent"), NULL),
                        "{\"sub\":\"user-1\",\"username\":\"alice\",\"client_id\":\"app-1\","
                        "\"scopes\":[\"openid\",\"mcp-server/tools\"],"
                        "\"expires_at\":\"2027-01-15T08:10:00Z\"}");
    assert_string_equal(tool_text(&p, 0),
                        json_text(p.arena, json_get(post_result(&p), "structuredContent"), NULL));
    assert_string_equal(json_get_str(post_result(&p), "resultType"), "complete");
    assert_string_equal(json_get_str(json_get(json_get(post_result(&p), "_meta"),
                                              "io.modelcontextprotocol/serverInfo"),
                                     "name"),
                        "mcp-authd");
    send_old("tools/call", "\"name\":\"whoami\"");
    expect_result(&p);
    assert_false(json_has(post_result(&p), "resultType"));
    assert_false(json_has(post_result(&p), "_meta"));
    assert_true(json_has(post_result(&p), "structuredContent"));
}

static void echo_returns_its_text(void **state) {
    (void)state;
    site_load(&site);
    call("echo", "\"text\":\"h\\u00e9 \\\"q\\\" \\n\"");
    expect_result(&p);
    assert_string_equal(tool_text(&p, 0), "hé \"q\" \n");
    assert_false(tool_failed(&p));
    call("echo", "\"text\":\"a\\u0000b\"");
    assert_non_null(strstr(p.reply.body, "a\\u0000b"));
    call("echo", "\"text\":\"x\",\"sessionId\":\"host\",\"action\":null"); /* as some hosts add */
    expect_result(&p);
    assert_string_equal(tool_text(&p, 0), "x");
    call("whoami", "\"sessionId\":\"host\"");
    assert_false(tool_failed(&p));
    call("echo", "\"text\":7");
    expect_result(&p);
    assert_true(tool_failed(&p));
}

static void calls_that_are_malformed(void **state) {
    static const char *const cases[] = {"",
                                        "\"name\":7",
                                        "\"name\":null",
                                        "\"name\":\"nothing\"",
                                        "\"name\":\"echo\",\"arguments\":[]",
                                        "\"name\":\"echo\",\"arguments\":\"x\"",
                                        "\"name\":\"echo\",\"arguments\":null"};

    (void)state;
    site_load(&site);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        send_old("tools/call", cases[i]);
        expect_error(&p, 200, -32602);
    }
    call("nothing", "");
    expect_error(&p, 200, -32602);
    assert_string_equal(json_get_str(json_get(p.body, "error"), "message"),
                        "Unknown tool: nothing");
}

/* A web server that tells that the client has gone once it has been sent something so often; 0: the
 * client stays. */
struct peer {
    struct reply_sink sink;
    int gone_after, writes, server_end;
    char text[4096];
    size_t len;
};

static enum rc peer_begin(struct reply_sink *s, const struct reply *rp) {
    (void)s;
    (void)rp;
    return OK;
}

static enum rc peer_write(struct reply_sink *s, const char *text, size_t len) {
    struct peer *peer = (struct peer *)s;

    assert_true(peer->len + len < sizeof peer->text);
    memcpy(peer->text + peer->len, text, len);
    peer->len += len;
    if (++peer->writes == peer->gone_after)
        assert_int_equal(close(peer->server_end), 0);
    return OK;
}

static struct peer peer_of(int gone_after) {
    struct peer peer = {.gone_after = gone_after};
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    peer.server_end = ends[1];
    peer.sink = (struct reply_sink){.begin = peer_begin, .write = peer_write, .fd = ends[0]};
    return peer;
}

static void who_vanished_while_waiting_starts_no_program(void **state) {
    static const struct {
        int gone_after;
        bool waited, modern, runs;
    } cases[] = {{1, true, true, false},
                 {2, true, true, false},
                 {0, true, true, true},
                 {1, true, false, true},
                 {0, false, true, true}};
    char path[128];

    (void)state;
    site_tool(&site, "mark", "touch ran; echo ran", "", "");
    site_load(&site);
    (void)snprintf(path, sizeof path, "%s/ran", site.dir);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct peer peer = peer_of(cases[i].gone_after);

        p.sink = &peer.sink;
        p.waited = cases[i].waited;
        if (cases[i].modern)
            call("mark", "");
        else
            send_old("tools/call", "\"name\":\"mark\"");
        assert_int_equal(p.rc, OK);
        assert_int_equal(access(path, F_OK) == 0, cases[i].runs);
        (void)unlink(path);
        if (cases[i].runs && cases[i].waited && cases[i].modern)
            assert_non_null(
                strstr(peer.text, ":\n\n:\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":"));
        else
            assert_null(strstr(peer.text, "result"));
        (void)close(peer.sink.fd);
        if (peer.writes < peer.gone_after || !peer.gone_after)
            (void)close(peer.server_end);
    }
}

/* Clients of some languages send every member that they know. */
static void null_is_absent(void **state) {
    static const char meta[] =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/"
        "list\",\"params\":{\"cursor\":null,\"_meta\":{"
        "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
        "\"io.modelcontextprotocol/clientCapabilities\":{},"
        "\"io.modelcontextprotocol/clientInfo\":null,\"io.modelcontextprotocol/logLevel\":null,"
        "\"progressToken\":null}}}";
    static const char old[] =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":null}";

    (void)state;
    site_tool(&site, "said", "echo '{\"content\":[],\"isError\":null,\"_meta\":null}'", "",
              ",\"output\":\"json\"");
    site_load(&site);
    post_send(&p, old, sizeof old - 1);
    expect_result(&p);
    send_old("tools/list", "\"cursor\":null,\"_meta\":null");
    expect_result(&p);
    send_old("tools/call", "\"name\":\"whoami\",\"arguments\":null");
    expect_result(&p);
    assert_false(tool_failed(&p));
    post_modern(
        &p, "tools/call", "said",
        "\"name\":\"said\",\"arguments\":null,\"inputResponses\":null,\"requestState\":null");
    expect_result(&p);
    assert_false(tool_failed(&p));
    post_header(&p, "HTTP_MCP_METHOD=tools/list");
    post_send(&p, meta, sizeof meta - 1);
    expect_result(&p);
}

static void a_program_is_told_who_calls(void **state) {
    (void)state;
    site_tool(&site, "show", "cat", "", "");
    site_tool(&site, "env", "/usr/bin/env | grep -v -e ^PWD -e ^_ -e ^SHLVL | sort; pwd", "", "");
    site_load(&site);
    call("show", "\"x\":[1,{\"y\":null}]");
    expect_result(&p);
    assert_string_equal(tool_text(&p, 0),
                        "{\"tool\":\"show\",\"arguments\":{\"x\":[1,{\"y\":null}]},"
                        "\"caller\":{\"sub\":\"user-1\",\"username\":\"alice\","
                        "\"client_id\":\"app-1\",\"scopes\":[\"openid\",\"mcp-server/tools\"],"
                        "\"groups\":[\"staff\",\"admins\"]},"
                        "\"clientCapabilities\":{}}");
    send_old("tools/call", "\"name\":\"show\"");
    assert_non_null(strstr(tool_text(&p, 0), "\"arguments\":{}"));
    call("env", "");
    assert_string_equal(tool_text(&p, 0),
                        arena_printf(p.arena,
                                     "LANG=C.UTF-8\nMCP_REQUEST_ID=req-1\nMCP_TOOL=env\n"
                                     "PATH=/usr/local/bin:/usr/bin:/bin\n%s\n",
                                     site.dir));
}

static void a_program_gets_what_its_manifest_gives(void **state) {
    const char *run;

    (void)state;
    site_file(&site, "key", "s3cret\n", 0600);
    run = arena_printf(p.arena,
                       ",\"env\":{\"LANG\":\"C\",\"COLOR\":\"a=b c\"},"
                       "\"secrets\":{\"API\":\"%s/key\",\"B\":\"%s/key\"},\"home\":true,"
                       "\"claims\":[\"tenant\",\"email\",\"none\"]",
                       site.dir, site.dir);
    site_tool(&site, "given",
              "cat; echo; echo \"$LANG|$COLOR|$PATH|$API_FILE|$B_FILE\"; cat \"$API_FILE\" "
              "\"$B_FILE\" \"$B_FILE\"; (echo x >\"$API_FILE\") 2>/dev/null || echo sealed; "
              "test \"$HOME\" = \"$TMPDIR\" && echo hi >\"$HOME/x\" && ls \"$HOME\"; "
              "echo \"$HOME\"",
              "", run);
    site_load(&site);
    call("given", "");
    assert_false(tool_failed(&p));
    const char *text = tool_text(&p, 0);
    assert_non_null(strstr(text, "\"groups\":[\"staff\",\"admins\"],"
                                 "\"claims\":{\"tenant\":{\"id\":7},\"email\":null}}"));
    assert_non_null(strstr(text, "\nC|a=b c|/usr/local/bin:/usr/bin:/bin|/proc/self/fd/3|"
                                 "/proc/self/fd/4\ns3cret\ns3cret\ns3cret\nsealed\nx\n/"));
    char *home = arena_strdup(p.arena, strstr(text, "sealed\nx\n") + 9);
    home[strcspn(home, "\n")] = 0;
    /* The supervisor removes it when it has answered. */
    for (int i = 0; i < 500 && !access(home, F_OK); i++)
        (void)usleep(10000);
    assert_int_equal(access(home, F_OK), -1);
    site_file(&site, "key", "new\n", 0600); /* read at each call */
    call("given", "");
    assert_non_null(strstr(tool_text(&p, 0), "\nnew\nnew\n"));
    assert_int_equal(unlink(arena_printf(p.arena, "%s/key", site.dir)), 0);
    call("given", "");
    assert_true(tool_failed(&p));
    assert_string_equal(tool_text(&p, 0), "The tool could not be started.");
}

static void a_limit_ends_a_program_with_a_reason(void **state) {
    (void)state;
    site_tool(&site, "long", "head -c 5000 /dev/zero >\"$HOME/x\"; kill -XFSZ $$", "",
              ",\"home\":true,\"limits\":{\"file_size\":4096}");
    /* Not open_files: valgrind keeps it from the kernel. */
    site_tool(&site, "files", "ulimit -f", "", ",\"limits\":{\"file_size\":\"1M\"}");
    site_load(&site);
    call("long", "");
    assert_string_equal(tool_text(&p, 0),
                        "The tool was ended by signal 25 (SIGXFSZ): it wrote a file that is longer "
                        "than its limit (run.limits.file_size).");
    call("files", "");
    assert_string_equal(tool_text(&p, 0), "2048\n");
}

static void arguments_of_the_command_are_passed(void **state) {
    (void)state;
    site_file(&site, "args.sh", "#!/bin/sh\nprintf '[%s]' \"$@\"\n", 0755);
    site_file(&site, "args.json",
              "{\"name\":\"args\",\"inputSchema\":{\"type\":\"object\"},"
              "\"run\":{\"command\":[\"args.sh\",\"a b\",\"\",\"$HOME\"]}}",
              0644);
    site_load(&site);
    call("args", "");
    assert_string_equal(tool_text(&p, 0), "[a b][][$HOME]");
}

static void failures_are_told_in_sentences(void **state) {
    (void)state;
    site_tool(&site, "hang", "sleep 60", "", ",\"timeout_ms\":200");
    site_tool(&site, "flood", "yes", "", ",\"max_output_bytes\":1000");
    site_tool(&site, "crash", "kill -SEGV $$", "", "");
    site_tool(&site, "fail", "echo 'No such city.'; exit 3", "", "");
    site_tool(&site, "gone", "rm gone.sh", "", "");
    site_load(&site);
    call("hang", "");
    assert_true(tool_failed(&p));
    assert_string_equal(tool_text(&p, 0), "The tool did not finish within 200 ms and was stopped.");
    call("flood", "");
    assert_true(tool_failed(&p));
    assert_string_equal(tool_text(&p, 0), "The tool printed more than 1000 bytes and was stopped.");
    call("crash", "");
    assert_true(tool_failed(&p));
    assert_string_equal(tool_text(&p, 0), "The tool was ended by signal 11 (SIGSEGV).");
    call("fail", "");
    assert_true(tool_failed(&p));
    assert_string_equal(tool_text(&p, 0), "No such city.\n");
    assert_string_equal(tool_text(&p, 1), "The tool ended with exit status 3.");
    call("gone", "");
    assert_false(tool_failed(&p));
    call("gone", "");
    assert_true(tool_failed(&p));
    assert_string_equal(tool_text(&p, 0), "The tool could not be started.");
    expect_result(&p);
}

static void text_is_passed_on_as_it_is(void **state) {
    (void)state;
    site_tool(&site, "utf", "printf 'gr\\303\\274n \\360\\237\\214\\215\\n\\001'", "", "");
    site_tool(&site, "silent", ":", "", "");
    site_load(&site);
    call("utf", "");
    assert_false(tool_failed(&p));
    assert_string_equal(tool_text(&p, 0), "grün 🌍\n\x01");
    call("silent", "");
    assert_false(tool_failed(&p));
    assert_string_equal(tool_text(&p, 0), "");
}

#define JSON ",\"output\":\"json\""

static void json_becomes_structured_content(void **state) {
    (void)state;
    site_tool(&site, "object", "echo '{\"a\": 1}'", ",\"outputSchema\":{\"type\":\"object\"}",
              JSON);
    site_tool(&site, "array", "echo '[1, 2]'", "", JSON);
    site_tool(&site, "nothing", "echo null", "", JSON);
    site_load(&site);
    call("object", "");
    assert_string_equal(json_text(p.arena, json_get(post_result(&p), "structuredContent"), NULL),
                        "{\"a\":1}");
    assert_string_equal(tool_text(&p, 0), "{\"a\":1}");
    call("array", "");
    assert_true(json_is_array(json_get(post_result(&p), "structuredContent")));
    send_old("tools/call", "\"name\":\"array\""); /* there, only objects */
    assert_false(json_has(post_result(&p), "structuredContent"));
    assert_string_equal(tool_text(&p, 0), "[1,2]");
    call("nothing", "");
    assert_true(json_has(post_result(&p), "structuredContent"));
    assert_string_equal(tool_text(&p, 0), "null");
    assert_false(tool_failed(&p));
}

static void json_may_be_a_whole_result(void **state) {
    (void)state;
    site_tool(&site, "image",
              "echo '{\"content\":[{\"type\":\"image\",\"data\":\"AA==\","
              "\"mimeType\":\"image/png\"}],\"structuredContent\":{\"n\":1},\"isError\":true,"
              "\"_meta\":{\"example.com/k\":1},\"resultType\":\"input_required\",\"ttlMs\":1}'",
              "", JSON);
    site_load(&site);
    call("image", "");
    expect_result(&p);
    assert_true(tool_failed(&p));
    assert_string_equal(json_get_str(post_result(&p), "resultType"), "complete");
    assert_false(json_has(post_result(&p), "ttlMs"));
    assert_true(json_has(json_get(post_result(&p), "_meta"), "example.com/k"));
    assert_true(json_has(json_get(post_result(&p), "_meta"), "io.modelcontextprotocol/serverInfo"));
    assert_string_equal(json_get_str(json_at(json_get(post_result(&p), "content"), 0), "mimeType"),
                        "image/png");
}

static void json_that_is_none_is_a_failure(void **state) {
    static const char *const cases[] = {"{",
                                        "",
                                        "{} {}",
                                        "{\"content\":{}}",
                                        "{\"content\":[7]}",
                                        "{\"content\":[{}]}",
                                        "{\"content\":[null]}",
                                        "{\"content\":null}",
                                        "{\"content\":[],\"isError\":1}",
                                        "{\"content\":[],\"_meta\":[]}"};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        site_tool(&site, arena_printf(p.arena, "t%zu", i),
                  arena_printf(p.arena, "echo '%s'", cases[i]), "", JSON);
    site_tool(&site, "unkept", "echo '{\"content\":[]}'", ",\"outputSchema\":{\"type\":\"object\"}",
              JSON);
    site_load(&site);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        call(arena_printf(p.arena, "t%zu", i), "");
        expect_result(&p);
        assert_true(tool_failed(&p));
        assert_memory_equal(tool_text(&p, 0), "The tool's output is ", 21);
    }
    call("unkept", "");
    assert_true(tool_failed(&p));
}

/* Standard error, caught while fn runs. */
static const char *log_of(void (*fn)(void)) {
    char path[] = "/tmp/mcp-log-XXXXXX", *text = arena_alloc(p.arena, 65536);
    int fd = mkstemp(path), before = dup(2);

    (void)fflush(stderr);
    (void)dup2(fd, 2);
    fn();
    (void)dup2(before, 2);
    assert_true(pread(fd, text, 65535, 0) >= 0);
    (void)close(fd);
    (void)close(before);
    (void)unlink(path);
    return text;
}

static void call_latin(void) {
    call("latin", "");
}

#define U_FFFD "\xef\xbf\xbd"

static void what_is_no_utf8_is_replaced_and_logged(void **state) {
    const char *log;

    (void)state;
    site_tool(&site, "latin", "printf 'caf\\351\\n'", "", "");
    site_tool(&site, "surrogate", "printf '\\355\\240\\200'", "", "");
    site_tool(&site, "cut", "printf 'a\\342\\202'", "", "");
    site_tool(&site, "failing", "printf '\\377'; exit 1", "", "");
    site_tool(&site, "json", "printf '{\"a\\351\":\"\\377\\376\"}'", "", JSON);
    site_tool(&site, "lines", "printf '{\"result\":\"\\351t\\351\"}\\n'", "",
              ",\"output\":\"stream\"");
    site_load(&site);
    log = log_of(call_latin);
    assert_false(tool_failed(&p));
    assert_string_equal(tool_text(&p, 0), "caf" U_FFFD "\n");
    assert_non_null(strstr(log, "level=warn"));
    assert_non_null(strstr(log, "event=output_repaired request=req-1 tool=latin bytes=1\n"));
    call("surrogate", "");
    assert_string_equal(tool_text(&p, 0), U_FFFD U_FFFD U_FFFD);
    call("cut", "");
    assert_string_equal(tool_text(&p, 0), "a" U_FFFD U_FFFD);
    call("failing", "");
    assert_true(tool_failed(&p));
    assert_string_equal(tool_text(&p, 0), U_FFFD);
    call("json", "");
    assert_string_equal(json_text(p.arena, json_get(post_result(&p), "structuredContent"), NULL),
                        "{\"a" U_FFFD "\":\"" U_FFFD U_FFFD "\"}");
    call("lines", "");
    assert_string_equal(json_str(json_get(post_result(&p), "structuredContent")),
                        U_FFFD "t" U_FFFD);
}

#define CUT "\n[Cut off here: the output is longer than 1000 bytes, and the program was stopped.]\n"

static void text_may_be_cut_off_where_it_is_too_long(void **state) {
    static const char run[] = ",\"max_output_bytes\":1000,\"truncate_output\":true";
    const char *text;

    (void)state;
    site_tool(&site, "just", "head -c 1000 /dev/zero | tr '\\000' x", "", run);
    site_tool(&site, "over", "head -c 1001 /dev/zero | tr '\\000' x", "", run);
    site_tool(&site, "flood", "yes", "", run);
    site_tool(&site, "accents", "printf x; yes \"$(printf '\\303\\251')\" | tr -d '\\n'", "", run);
    site_load(&site);
    call("just", "");
    assert_int_equal(strlen(tool_text(&p, 0)), 1000);
    assert_null(strstr(tool_text(&p, 0), "Cut"));
    call("over", "");
    assert_false(tool_failed(&p));
    text = tool_text(&p, 0);
    assert_int_equal(strspn(text, "x"), 1000);
    assert_string_equal(text + 1000, CUT);
    call("flood", "");
    assert_false(tool_failed(&p));
    assert_string_equal(tool_text(&p, 0) + 1000, CUT);
    call("accents", ""); /* x and 499 whole characters */
    text = tool_text(&p, 0);
    assert_memory_equal(text, "x\303\251\303\251", 5);
    assert_string_equal(text + 999, CUT);
}

static void numbers_reach_a_program_as_they_were_sent(void **state) {
    (void)state;
    site_tool(&site, "cat", "cat", "", "");
    site_load(&site);
    call("cat", "\"a\":[123456789012345678901234567890,-0,1.0,1e2,0.1]");
    assert_non_null(strstr(
        tool_text(&p, 0), "\"arguments\":{\"a\":[123456789012345678901234567890,-0,1.0,1e2,0.1]}"));
}

/* Clients that split lines as Python does would cut the message there. */
static void no_answer_has_what_could_be_the_end_of_a_line(void **state) {
    (void)state;
    site_tool(&site, "lines", "printf 'a\\342\\200\\250b\\342\\200\\251c\\302\\205d'", "", "");
    site_load(&site);
    call("lines", "");
    assert_non_null(strstr(p.reply.body, "\"a\\u2028b\\u2029c\\u0085d\""));
    assert_string_equal(tool_text(&p, 0), "a\xe2\x80\xa8"
                                          "b\xe2\x80\xa9"
                                          "c\xc2\x85"
                                          "d");
}

static void call_noisy(void) {
    call("noisy", "\"password\":\"hunter2\"");
}

static void the_audit_line_has_no_arguments(void **state) {
    const char *log;

    (void)state;
    site_tool(&site, "noisy",
              "printf 'went wrong\\n  at line 3: \\342\\200\\230x\\342\\200\\231\\n' >&2; echo "
              "quiet; exit 2",
              "", "");
    site_load(&site);
    log = log_of(call_noisy);
    assert_non_null(strstr(log, "event=tool_call request=req-1 tool=noisy sub=user-1 "
                                "client_id=app-1 outcome=exit_status ms="));
    assert_non_null(
        strstr(log, "event=tool_stderr request=req-1 tool=noisy text=\"went wrong\"\n"));
    assert_non_null(strstr(log, "event=tool_stderr request=req-1 tool=noisy "
                                "text=\"  at line 3: \u2018x\u2019\"\n"));
    assert_null(strstr(log, "hunter2"));
    assert_null(strstr(log, "quiet"));
    assert_null(strstr(p.reply.body, "went wrong"));
}

static void a_large_result_arrives_whole(void **state) {
    (void)state;
    site_tool(&site, "large", "head -c 1048576 /dev/zero", "", ",\"max_output_bytes\":1048576");
    site_load(&site);
    call("large", "");
    expect_result(&p);
    assert_false(tool_failed(&p));
    assert_true(p.reply.body_len > 6 * 1048576); /* \u0000 each */
}

/* Lines on the way, and results that are taken back, need no memory once they were read. */
static void a_program_may_say_any_number_of_lines(void **state) {
    (void)state;
    site_tool(&site, "talker",
              "yes '{\"progress\":{\"progress\":1},\"log\":{\"level\":\"info\",\"data\":1},"
              "\"result\":{\"n\":1}}' | head -n 20000\necho '{\"result\":{\"n\":2}}'",
              "", ",\"output\":\"stream\"");
    site_load(&site);
    arena_free(p.arena);
    p.arena = arena_new((size_t)1 << 20);
    call("talker", "");
    expect_result(&p);
    assert_string_equal(json_text(p.arena, json_get(post_result(&p), "structuredContent"), NULL),
                        "{\"n\":2}");
}

/* ---- quotas ---- */

static struct token_claims claims_of(const char *sub) {
    return (struct token_claims){.sub = sub,
                                 .username = sub,
                                 .client_id = "app-1",
                                 .scope = "mcp-server/tools",
                                 .jti = "j2",
                                 .groups = "[]",
                                 .all = "{}",
                                 .exp = NOW + 2 * DAY_S,
                                 .iat = NOW};
}

static void load_with_quota(const char *quota) {
    char path[UNIT_PATH_MAX + 8];
    struct token_claims bob = claims_of("bob"), alice = claims_of("user-1");

    site_tool(&site, "counted", "echo called", "", arena_printf(p.arena, ",\"quota\":%s", quota));
    site_load(&site);
    (void)snprintf(path, sizeof path, "%s/quotas", site.dir);
    site.base.quotas = daily_counts_new(path);
    site_know(&site, "bobs.own.token", &bob);
    site_know(&site, TOKEN, &alice);
}

static int quota_end(void **state) {
    daily_counts_free(site.base.quotas);
    return site_end(state);
}

static bool may_call(const char *token) {
    post_header(&p, arena_printf(p.arena, "HTTP_AUTHORIZATION=Bearer %s", token));
    call("counted", "");
    expect_result(&p);
    if (tool_failed(&p))
        return false;
    assert_string_equal(tool_text(&p, 0), "called\n");
    return true;
}

static unsigned calls_of(const char *of) {
    const struct quota quota = {of, 0, 0};
    uint32_t n = 0;

    assert_true(quota_used(&quota, site.dir, &site.base.clock, &n));
    return n;
}

static void a_quota_of_each_user(void **state) {
    (void)state;
    load_with_quota("{\"user\":2}");
    assert_true(may_call(TOKEN));
    call("counted", "\"x\":1");
    assert_true(may_call("bobs.own.token"));
    assert_int_equal(calls_of("tool counted"), 3);
    assert_false(may_call(TOKEN));
    assert_string_equal(tool_text(&p, 0),
                        "Your quota of 2 calls a day is used up; there are calls again from "
                        "2027-01-16T00:00:00Z on.");
    assert_true(may_call("bobs.own.token"));
    assert_false(may_call("bobs.own.token"));
    assert_int_equal(calls_of("tool counted"), 4);
    site.base.clock.fixed_s = 1800057599; /* 23:59:59 */
    assert_false(may_call(TOKEN));
    site.base.clock.fixed_s++;
    assert_true(may_call(TOKEN));
    assert_int_equal(calls_of("tool counted"), 1);
}

static void a_quota_of_all_users(void **state) {
    (void)state;
    load_with_quota("{\"user\":2,\"all\":3}");
    assert_true(may_call(TOKEN));
    assert_true(may_call(TOKEN));
    assert_false(may_call(TOKEN));
    assert_true(may_call("bobs.own.token"));
    assert_false(may_call("bobs.own.token"));
    assert_string_equal(tool_text(&p, 0),
                        "The quota of all users of 3 calls a day is used up; there are calls again "
                        "from 2027-01-16T00:00:00Z on.");
    send_old("tools/call", "\"name\":\"counted\"");
    expect_result(&p);
    assert_true(tool_failed(&p));
    call("echo", "\"text\":\"x\""); /* others are not held back */
    assert_false(tool_failed(&p));
}

/* What starts no program is not counted; and a call that cannot be counted is refused. */
static void only_calls_that_start_a_program_are_counted(void **state) {
    (void)state;
    load_with_quota("{\"all\":1}");
    post_modern(&p, "tools/call", "counted", "\"name\":\"counted\",\"arguments\":[]");
    expect_error(&p, 200, -32602);
    site.config.calls_max = 1;
    assert_true(may_call(TOKEN));
    assert_false(may_call(TOKEN));
    daily_counts_free(site.base.quotas);
    site.base.quotas = daily_counts_new("/nonexistent/quotas");
    call("counted", "");
    assert_int_equal(p.rc, ERR_STORE);
    assert_null(strstr(p.err.text, "nonexistent"));
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, site_begin, site_end)
    const struct CMUnitTest tests[] = {
        T(whoami_says_what_the_token_says),
        T(echo_returns_its_text),
        T(a_program_may_say_any_number_of_lines),
        T(calls_that_are_malformed),
        T(who_vanished_while_waiting_starts_no_program),
        T(null_is_absent),
        T(arguments_of_the_command_are_passed),
        T(a_program_is_told_who_calls),
        T(arguments_of_the_command_are_passed),
        T(a_program_gets_what_its_manifest_gives),
        T(a_limit_ends_a_program_with_a_reason),
        T(failures_are_told_in_sentences),
        T(text_is_passed_on_as_it_is),
        T(json_becomes_structured_content),
        T(json_may_be_a_whole_result),
        T(json_that_is_none_is_a_failure),
        T(the_audit_line_has_no_arguments),
        T(a_large_result_arrives_whole),
        T(what_is_no_utf8_is_replaced_and_logged),
        T(text_may_be_cut_off_where_it_is_too_long),
        T(numbers_reach_a_program_as_they_were_sent),
        T(no_answer_has_what_could_be_the_end_of_a_line),
#define Q(f) cmocka_unit_test_setup_teardown(f, site_begin, quota_end)
        Q(a_quota_of_each_user),
        Q(a_quota_of_all_users),
        Q(only_calls_that_start_a_program_are_counted),
    };
    return cmocka_run_group_tests(tests, runner_setup, runner_teardown);
}
