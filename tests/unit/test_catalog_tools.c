/* Manifests, good and bad, and the list that they make. */
#include "unit.h"

#include "catalog/tools.h"
#include "mcp_fixture.h"
#include "runner_fixture.h"

static char *problems;
static unsigned bad;
static const struct catalog_sources *sources = &executor_sources;

static int end(void **state) {
    free(problems);
    problems = NULL;
    return site_end(state);
}

static void load(void) {
    size_t len;
    FILE *f = open_memstream(&problems, &len);
    struct catalog *catalog = catalog_new(&site.config, sources);

    bad = 0;
    for (enum catalog_kind kind = 0; kind < CATALOG_KINDS; kind++)
        bad += catalog_load(catalog, kind, f);
    site.mcp.catalog = catalog;
    (void)fclose(f);
}

static void send_old(const char *method, const char *params) {
    post_header(&p, "HTTP_MCP_PROTOCOL_VERSION");
    post_old(&p, method, params);
}

/* Loads a directory with this one manifest, which is bad, and says why. */
static void expect_bad(const char *manifest, const char *why) {
    site_file(&site, "prog.sh", "#!/bin/sh\n", 0755);
    site_file(&site, "plain.txt", "x", 0644);
    site_file(&site, "bad.json", manifest, 0644);
    load();
    if (bad != 1 || !strstr(problems, why) || !strstr(problems, "/bad.json:"))
        fail_msg("%s: %u problems: %s", manifest, bad, problems);
    catalog_free(site.mcp.catalog);
    site.mcp.catalog = NULL;
    free(problems);
    problems = NULL;
}

#define NAME "\"name\":\"t\","
#define SCHEMA "\"inputSchema\":{\"type\":\"object\"},"
#define RUN "\"run\":{\"command\":[\"./prog.sh\"]}"

static void what_a_program_may_not_be_given_is_reported(void **state) {
    static const struct {
        const char *manifest, *why;
    } cases[] = {
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"env\":[]}}",
         "run.env must be an object of strings"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"env\":{\"A\":1}}}",
         "run.env.A must be a string"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"env\":{\"\":\"x\"}}}",
         "cannot be the name of a variable"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"env\":{\"1A\":\"x\"}}}",
         "\"1A\" cannot be the name of a variable"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"env\":{\"A-B\":\"x\"}}}",
         "\"A-B\" cannot be the name of a variable"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"env\":{\"MCP_TOOL\":\"x\"}}}",
         "MCP_TOOL is set by mcp-authd itself"},
        {"{" NAME SCHEMA
         "\"run\":{\"command\":[\"./prog.sh\"],\"home\":true,\"env\":{\"HOME\":\"/x\"}}}",
         "HOME names the private directory"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"home\":1}}",
         "run.home must be true or false"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"secrets\":{\"A\":7}}}",
         "run.secrets.A must be the absolute path of a file"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"secrets\":{\"A\":\"../x\"}}}",
         "run.secrets.A must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"secrets\":{\"A\":\".x\"}}}",
         "run.secrets.A must be"},
        {"{" NAME SCHEMA
         "\"run\":{\"command\":[\"./prog.sh\"],\"env\":{\"A_FILE\":\"x\"},\"secrets\":{\"A\":\"/"
         "etc/shadow\"}}}",
         "run.env sets A_FILE"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"claims\":\"sub\"}}",
         "run.claims must be an array of at most 32"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"claims\":[\"a\",\"\"]}}",
         "run.claims: number 2 must be the name of a claim"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"read\":\"/srv\"}}",
         "run.read must be an array of at most 64 absolute paths"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"read\":[\"srv\"]}}",
         "run.read: \"srv\" must be an absolute path"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"write\":[\"/none/x\"]}}",
         "run.write: /none/x: No such file"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"read\":[\"/\"]}}",
         "run.read: / would open /etc/mcp-authd"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"read\":[\"/usr/../etc\"]}}",
         "would open /etc/mcp-authd"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"persistent\":\"host\"}}",
         "run.persistent must be true, false or \"user\""},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"persistent\":true}}",
         "run.persistent needs \"output\": \"json\" or \"stream\""},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"idle_s\":1}}",
         "run.idle_s is only valid with run.persistent"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"output\":\"json\","
         "\"persistent\":\"user\",\"idle_s\":86401}}",
         "run.idle_s must be an integer from 1 to 86400"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"limits\":[]}}",
         "run.limits must be an object"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"limits\":{\"memroy\":1}}}",
         "unknown member \"memroy\" in run.limits; did you mean memory?"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"limits\":{\"memory\":4194303}}}",
         "run.limits.memory must be a number of bytes from 4194304 to 1099511627776"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"limits\":{\"memory\":\"5Q\"}}}",
         "run.limits.memory must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"limits\":{\"memory\":\"-5M\"}}}",
         "run.limits.memory must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"limits\":{\"memory\":\"1025G\"}}}",
         "run.limits.memory must be"},
        {"{" NAME SCHEMA
         "\"run\":{\"command\":[\"./prog.sh\"],\"limits\":{\"memory\":\"9999999999T\"}}}",
         "run.limits.memory must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"limits\":{\"file_size\":0}}}",
         "run.limits.file_size must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"limits\":{\"processes\":65537}}}",
         "run.limits.processes must be an integer from 1 to 65536"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"limits\":{\"processes\":\"1K\"}}}",
         "run.limits.processes must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"limits\":{\"cpu_weight\":10001}}}",
         "run.limits.cpu_weight must be an integer from 1 to 10000"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"limits\":{\"open_files\":15}}}",
         "run.limits.open_files must be an integer from 16 to 65536"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"quota\":100}}",
         "run.quota must be an object with \"user\", \"all\" or both"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"quota\":{}}}",
         "run.quota must be an object with"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"quota\":{\"users\":1}}}",
         "unknown member \"users\" in run.quota; did you mean user?"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"quota\":{\"user\":0}}}",
         "run.quota.user must be an integer from 1 to 1000000000"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"quota\":{\"all\":1000000001}}}",
         "run.quota.all must be an integer from 1 to 1000000000"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"quota\":{\"all\":\"5\"}}}",
         "run.quota.all must be"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_bad(cases[i].manifest, cases[i].why);
}

/* N members or items of a list of "run", made from a format with the number. */
static const char *run_with(const char *before, const char *format, unsigned n, const char *after) {
    struct buf b;

    buf_init(&b, p.arena, 1 << 20);
    buf_addf(&b, "{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],%s", before);
    for (unsigned i = 0; i < n; i++) {
        buf_adds(&b, i ? "," : "");
        for (const char *c = format; *c; c++)
            if (*c == '#')
                buf_addf(&b, "%u", i);
            else
                buf_addc(&b, *c);
    }
    buf_addf(&b, "%s}}", after);
    return b.p;
}

static void expect_good(const char *manifest) {
    site_file(&site, "prog.sh", "#!/bin/sh\n", 0755);
    site_file(&site, "bad.json", manifest, 0644);
    load();
    if (bad)
        fail_msg("%s: %s", manifest, problems);
    catalog_free(site.mcp.catalog);
    site.mcp.catalog = NULL;
    free(problems);
    problems = NULL;
}

static const char *long_text(size_t n) {
    char *s = arena_alloc(p.arena, n + 1);

    memset(s, 'x', n);
    return s;
}

/* It may be mended while the daemon runs. */
static void a_secret_that_is_not_there_is_warned_of(void **state) {
    static const struct {
        const char *path, *why;
    } cases[] = {{"/none/x", "/none/x: No such file"},
                 {"/etc/passwd", "/etc/passwd: every user of the system can open it"},
                 {"/etc", "/etc: is not a file"},
                 {"@/empty", "/empty: it is empty"},
                 {"@/long", "/long: it is longer than 65536 bytes"},
                 {"@/longest", NULL}};
    char *text = NULL;
    size_t len;

    (void)state;
    site_file(&site, "prog.sh", "#!/bin/sh\n", 0755);
    site_file(&site, "empty", "", 0600);
    site_file(&site, "longest", long_text(PROGRAM_SECRET_BYTES_MAX), 0600);
    site_file(&site, "long", long_text(PROGRAM_SECRET_BYTES_MAX + 1), 0600);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = *cases[i].path != '@'
                               ? cases[i].path
                               : arena_printf(p.arena, "%s%s", site.dir, cases[i].path + 1);
        FILE *f = open_memstream(&text, &len);

        site_file(&site, "t.json",
                  arena_printf(p.arena,
                               "{" NAME SCHEMA "\"description\":\"t\",\"run\":{\"command\":["
                               "\"./prog.sh\"],\"secrets\":{\"A\":\"%s\"}}}",
                               path),
                  0644);
        load();
        assert_int_equal(bad, 0);
        catalog_warn(site.mcp.catalog, CATALOG_TOOLS, f);
        (void)fclose(f);
        if (cases[i].why ? !strstr(text, cases[i].why) || !strstr(text, "warning: the secret A: ")
                         : *text)
            fail_msg("%s: %s", path, text);
        catalog_free(site.mcp.catalog);
        site.mcp.catalog = NULL;
        free(text);
        free(problems);
        problems = NULL;
    }
}

static void each_limit_of_what_a_program_is_given_holds(void **state) {
    const char *secret = arena_printf(p.arena, "\"S#\":\"%s/key\"", site.dir);

    (void)state;
    site_file(&site, "key", "x", 0600);
    expect_good(run_with("\"env\":{", "\"V#\":\"\"", PROGRAM_ENV_MAX, "}"));
    expect_bad(run_with("\"env\":{", "\"V#\":\"\"", PROGRAM_ENV_MAX + 1, "}"),
               "run.env has 65 members; it may have 64");
    expect_good(run_with("\"env\":{\"", long_text(PROGRAM_VARIABLE_NAME_MAX), 1, "\":\"\"}"));
    expect_bad(run_with("\"env\":{\"", long_text(PROGRAM_VARIABLE_NAME_MAX + 1), 1, "\":\"\"}"),
               "cannot be the name of a variable");
    expect_good(run_with("\"secrets\":{", secret, PROGRAM_SECRETS_MAX, "}"));
    expect_bad(run_with("\"secrets\":{", secret, PROGRAM_SECRETS_MAX + 1, "}"),
               "run.secrets has 17 members; it may have 16");
    expect_good(run_with("\"claims\":[", "\"c#\"", PROGRAM_CLAIMS_MAX, "]"));
    expect_bad(run_with("\"claims\":[", "\"c#\"", PROGRAM_CLAIMS_MAX + 1, "]"),
               "run.claims must be an array of at most 32");
    expect_good(run_with("\"claims\":[\"", long_text(PROGRAM_CLAIM_NAME_MAX), 1, "\"]"));
    expect_bad(run_with("\"claims\":[\"", long_text(PROGRAM_CLAIM_NAME_MAX + 1), 1, "\"]"),
               "a string of 1 to 256 bytes");
    expect_good(run_with("\"write\":[", "\"/usr/bin\"", PROGRAM_PATHS_MAX, "]"));
    expect_bad(run_with("\"write\":[", "\"/usr/bin\"", PROGRAM_PATHS_MAX + 1, "]"),
               "run.write must be an array of at most 64");
    expect_good(run_with("\"env\":{\"A\":\"", long_text(32400), 1, "\"}"));
    expect_bad(run_with("\"env\":{\"A\":\"", long_text(PROGRAM_TEXT_MAX), 1, "\"}"),
               "bytes together; they may have 32768");
    expect_good(
        run_with("\"limits\":{\"open_files\":32},\"secrets\":{", secret, PROGRAM_SECRETS_MAX, "}"));
    expect_bad(
        run_with("\"limits\":{\"open_files\":31},\"secrets\":{", secret, PROGRAM_SECRETS_MAX, "}"),
        "run.limits.open_files must be at least 32: 16 secrets are open files");
    expect_good(run_with("\"limits\":{\"memory\":4194304,\"file_size\":1,\"processes\":1,"
                         "\"cpu_weight\":1,\"open_files\":16}",
                         "", 0, ""));
    expect_good(run_with("\"limits\":{\"memory\":\"1T\",\"file_size\":\"1024G\","
                         "\"processes\":65536,\"cpu_weight\":10000,\"open_files\":65536}",
                         "", 0, ""));
}

static void bad_manifests_are_reported(void **state) {
    static const struct {
        const char *manifest, *why;
    } cases[] = {
        {"", "/bad.json:1:1: not valid JSON"},
        {"{", "/bad.json:1:2: not valid JSON"},
        {"[]", "a manifest must be a JSON object"},
        {"null", "a manifest must be a JSON object"},
        {"{" SCHEMA RUN "}", "name must be"},
        {"{\"name\":\"\"," SCHEMA RUN "}", "name must be"},
        {"{\"name\":\"a b\"," SCHEMA RUN "}", "name must be"},
        {"{\"name\":\"\\u00e9\"," SCHEMA RUN "}", "name must be"},
        {"{\"name\":7," SCHEMA RUN "}", "name must be"},
        {"{\"name\":\"echo\"," SCHEMA RUN "}", "already used by a built-in tool"},
        {"{" NAME RUN "}", "inputSchema must be"},
        {"{" NAME "\"inputSchema\":true," RUN "}", "inputSchema must be"},
        {"{" NAME "\"inputSchema\":{}," RUN "}", "inputSchema must be"},
        {"{" NAME "\"inputSchema\":{\"type\":\"string\"}," RUN "}", "inputSchema must be"},
        {"{" NAME SCHEMA "\"titel\":\"x\"," RUN "}",
         "unknown member \"titel\"; did you mean title?"},
        {"{" NAME SCHEMA "\"title\":7," RUN "}", "title must be a string"},
        {"{" NAME SCHEMA "\"annotations\":[]," RUN "}", "annotations must be an object"},
        {"{" NAME SCHEMA "\"icons\":{}," RUN "}", "icons must be an array"},
        {"{" NAME SCHEMA "\"_meta\":{\"ui\":{\"resourceUri\":\"https://x\"}}," RUN "}",
         "_meta.ui.resourceUri must be a URI that begins with ui://"},
        {"{" NAME SCHEMA "\"_meta\":{\"ui\":{\"resourceUri\":7}}," RUN "}",
         "_meta.ui.resourceUri must be a URI that begins with ui://"},
        {"{" NAME "\"inputSchema\":{\"type\":\"object\"}}", "run must be an object"},
        {"{" NAME SCHEMA "\"run\":\"./prog.sh\"}", "run must be an object"},
        {"{" NAME SCHEMA "\"run\":{}}", "run.command must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[]}}", "run.command must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":\"./prog.sh\"}}", "run.command must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"\"]}}", "run.command must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\",7]}}", "run.command must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\",\"a\\u0000b\"]}}",
         "run.command must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./none\"]}}", "./none: No such file"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./plain.txt\"]}}", "not an executable file"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"/tmp\"]}}", "not an executable file"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"timeout\":1}}",
         "unknown member \"timeout\" in run"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"timeout_ms\":0}}",
         "run.timeout_ms must be an integer from 1 to 120000"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"timeout_ms\":120001}}",
         "run.timeout_ms must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"timeout_ms\":\"1\"}}",
         "run.timeout_ms must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"max_output_bytes\":1048577}}",
         "run.max_output_bytes must be an integer from 1 to 1048576"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"truncate_output\":1}}",
         "run.truncate_output must be true or false"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"truncate_output\":true,"
         "\"output\":\"json\"}}",
         "run.truncate_output needs \"output\": \"text\""},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"output\":\"xml\"}}",
         "run.output must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"output\":null}}",
         "run.output must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"scopes\":\"a\"}}",
         "run.scopes must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"groups\":\"a\"}}",
         "run.groups must be an array of names of groups"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"groups\":[]}}",
         "run.groups must be an array of names of groups"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"groups\":[\"a b\"]}}",
         "run.groups must be an array of names of groups"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"required_claims\":[\"a\"]}}",
         "run.required_claims must be an object"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"required_claims\":{\"a\":{}}}}",
         "run.required_claims must be an object"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"required_claims\":{\"a\":[]}}}",
         "run.required_claims must be an object"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"required_claims\":{\"a\":null}}}",
         "run.required_claims must be an object"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"scopes\":[\"a b\"]}}",
         "run.scopes must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"scopes\":[\"a\\\"\"]}}",
         "run.scopes must be"},
        {"{" NAME SCHEMA "\"outputSchema\":{\"type\":\"object\"}," RUN "}",
         "outputSchema needs \"output\": \"json\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_bad(cases[i].manifest, cases[i].why);
}

#define PROPERTY(p) "{" NAME "\"inputSchema\":{\"type\":\"object\"," p "}," RUN "}"

static enum rc read_url(const struct manifest *m, const struct json *run, struct source *out) {
    out->spec = json_clone(m->keep, json_get(run, "url"));
    return OK;
}

/* A kind of source as a new executor may have it, next to programs. */
static void a_manifest_names_members_of_one_kind_of_source_only(void **state) {
    static const char *const options[] = {"method", "timeout_ms", NULL};
    static const struct source_kind url_source = {"url", options, read_url}, end = {0};
    static const struct source_executor kinds[] = {
        {&program_source, NULL}, {&url_source, NULL}, {&end, NULL}};
    static const struct catalog_sources two = {kinds, NULL, 0};

    (void)state;
    sources = &two;
    expect_bad("{" NAME SCHEMA "\"run\":{\"url\":\"x:y\",\"command\":[\"./prog.sh\"]}}",
               "run must not have both command and url");
    expect_bad("{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"method\":\"GET\"}}",
               "run must not have both command and method");
    expect_bad("{" NAME SCHEMA "\"run\":{\"url\":\"x:y\",\"output\":\"json\"}}",
               "run must not have both url and output");
    expect_bad("{" NAME SCHEMA "\"run\":{}}", "run.command must be");
    site_file(&site, "bad.json", "{" NAME SCHEMA "\"run\":{\"url\":\"x:y\",\"timeout_ms\":1}}",
              0644);
    load();
    sources = &executor_sources;
    assert_int_equal(bad, 0);
    assert_ptr_equal(catalog_tool(site.mcp.catalog, "t")->entry.source.kind, &url_source);
}

static void bad_header_annotations_are_reported(void **state) {
    static const char *const cases[] = {
        PROPERTY("\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":\"\"}}"),
        PROPERTY("\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":7}}"),
        PROPERTY("\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":null}}"),
        PROPERTY("\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":\"a b\"}}"),
        PROPERTY("\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":\"a\\r\\nb\"}}"),
        PROPERTY("\"properties\":{\"a\":{\"type\":\"number\",\"x-mcp-header\":\"A\"}}"),
        PROPERTY("\"properties\":{\"a\":{\"x-mcp-header\":\"A\"}}"),
        PROPERTY("\"properties\":{\"a\":{\"type\":\"object\",\"x-mcp-header\":\"A\"}}"),
        PROPERTY("\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":\"A\"},"
                 "\"b\":{\"type\":\"string\",\"x-mcp-header\":\"a\"}}"),
        PROPERTY("\"x-mcp-header\":\"A\""),
        PROPERTY("\"properties\":{\"a\":{\"type\":\"array\",\"items\":{\"type\":\"string\","
                 "\"x-mcp-header\":\"A\"}}}"),
        PROPERTY("\"anyOf\":[{\"properties\":{\"a\":{\"type\":\"string\","
                 "\"x-mcp-header\":\"A\"}}}]"),
        PROPERTY("\"$defs\":{\"properties\":{\"type\":\"string\",\"x-mcp-header\":\"A\"}}"),
        PROPERTY("\"if\":{\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":\"A\"}}}"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_bad(cases[i], "x-mcp-header");
}

/* What the kernel would refuse to start is found before. */
static void programs_that_cannot_start_are_reported(void **state) {
    static const struct {
        const char *program, *why;
    } cases[] = {
        {"#!/bin/sh\r\necho x\r\n",
         "./script: its lines end in CRLF, as on Windows: save it with LF"},
        {"#!/usr/bin/env sh\r\necho x\r\n", "its lines end in CRLF"},
        {"#!/nonexistent/sh\necho x\n", "its interpreter /nonexistent/sh: No such file"},
        {"#!/etc/passwd\n", "its interpreter /etc/passwd: Permission denied"},
        {"#! /usr/bin/env  no-such-program -x\n", "its interpreter no-such-program is not in PATH"},
        {"#!\necho x\n", "there is no interpreter after its #!"},
        {"#!sh\n", "its interpreter sh must be an absolute path"},
        {"\xef\xbb\xbf#!/bin/sh\necho x\n", "a byte order mark stands before its #!"},
        {"echo x\n", "it does not begin with a line such as #!/bin/sh"},
        {"", "it is empty"},
    };
    static const char *const good[] = {"#!/bin/sh\necho x\n",       "#!/bin/sh",
                                       "#! /bin/sh -e\n",           "#!/usr/bin/env sh\n",
                                       "#!/usr/bin/env -S sh -e\n", "#!/usr/bin/env A=1 sh\n"};
    static const char manifest[] = "{\"name\":\"t\",\"inputSchema\":{\"type\":\"object\"},\"run\":{"
                                   "\"command\":[\"./script\"]}}";

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        site_file(&site, "script", cases[i].program, 0755);
        expect_bad(manifest, cases[i].why);
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        site_file(&site, "script", good[i], 0755);
        site_file(&site, "bad.json", manifest, 0644);
        load();
        if (bad)
            fail_msg("%s: %s", good[i], problems);
        catalog_free(site.mcp.catalog);
        site.mcp.catalog = NULL;
        free(problems);
        problems = NULL;
    }
}

static void a_bad_manifest_does_not_stop_the_others(void **state) {
    (void)state;
    site_tool(&site, "zebra", "echo z", "", "");
    site_tool(&site, "apple", "echo a", "", "");
    site_file(&site, "broken.json", "{", 0644);
    site_file(&site, "twin.json",
              "{\"name\":\"apple\",\"inputSchema\":{\"type\":\"object\"},"
              "\"run\":{\"command\":[\"./apple.sh\"]}}",
              0644);
    site_file(&site, ".hidden.json", "{", 0644);
    site_file(&site, "readme.txt", "{", 0644);
    load();
    assert_int_equal(bad, 2);
    assert_non_null(strstr(problems, "/broken.json:1:2: not valid JSON: it ends too early"));
    assert_non_null(strstr(problems, "/twin.json: the name apple is already used by apple.json"));
    post_modern(&p, "tools/list", NULL, "");
    expect_result(&p);
    assert_int_equal(json_len(json_get(post_result(&p), "tools")), 4);
}

static void without_a_directory_the_built_in_tools_are_there(void **state) {
    (void)state;
    site.config.tools_dir = "/nonexistent/tools.d";
    load();
    assert_int_equal(bad, 1);
    assert_string_equal(problems, "/nonexistent/tools.d: No such file or directory\n");
    send_old("tools/list", "");
    assert_int_equal(json_len(json_get(post_result(&p), "tools")), 2);
}

static const char *listed(size_t i) {
    return json_get_str(json_at(json_get(post_result(&p), "tools"), i), "name");
}

static void the_list_is_in_order_and_says_no_more_than_it_should(void **state) {
    const char *first;
    struct json *tool;

    (void)state;
    site_tool(&site, "zebra", "echo z",
              ",\"title\":\"Z\",\"description\":\"d\",\"annotations\":{\"readOnlyHint\":true}", "");
    site_tool(&site, "Apple", "echo a", ",\"outputSchema\":{\"type\":\"array\"}",
              ",\"output\":\"json\"");
    load();
    assert_int_equal(bad, 0);
    post_modern(&p, "tools/list", NULL, "");
    expect_result(&p);
    first = p.reply.body;
    assert_string_equal(listed(0), "Apple");
    assert_string_equal(listed(1), "echo");
    assert_string_equal(listed(2), "whoami");
    assert_string_equal(listed(3), "zebra");
    assert_null(strstr(p.reply.body, "\"run\""));
    assert_null(strstr(p.reply.body, site.dir));
    tool = json_at(json_get(post_result(&p), "tools"), 3);
    assert_string_equal(json_text(p.arena, tool, NULL),
                        "{\"name\":\"zebra\",\"inputSchema\":{\"type\":\"object\",\"properties\":{}"
                        "},\"title\":\"Z\","
                        "\"description\":\"d\",\"annotations\":{\"readOnlyHint\":true}}");
    assert_true(json_has(post_result(&p), "ttlMs"));
    assert_string_equal(json_get_str(post_result(&p), "cacheScope"), "private");
    assert_true(json_has(json_at(json_get(post_result(&p), "tools"), 0), "outputSchema"));
    post_modern(&p, "tools/list", NULL, "");
    assert_string_equal(first, p.reply.body);
    /* Clients of the handshake revisions would refuse an outputSchema of an array. */
    send_old("tools/list", "");
    expect_result(&p);
    assert_false(json_has(post_result(&p), "ttlMs"));
    assert_false(json_has(json_at(json_get(post_result(&p), "tools"), 0), "outputSchema"));
    assert_true(json_has(json_at(json_get(post_result(&p), "tools"), 2), "outputSchema"));
}

/* A tool whose definition has about so many bytes. */
static void large_tool(const char *name, size_t bytes) {
    char *text = arena_alloc(p.arena, bytes + 1);

    memset(text, 'd', bytes);
    text[bytes] = 0;
    site_file(&site, arena_printf(p.arena, "%s.sh", name), "#!/bin/sh\n", 0755);
    site_file(&site, arena_printf(p.arena, "%s.json", name),
              arena_printf(
                  p.arena,
                  "{\"name\":\"%s\",\"description\":\"%s\",\"inputSchema\":{\"type\":\"object\"},"
                  "\"run\":{\"command\":[\"./%s.sh\"]}}",
                  name, text, name),
              0644);
}

static void many_tools_are_on_the_first_page(void **state) {
    (void)state;
    for (int i = 0; i < 500; i++)
        site_tool(&site, arena_printf(p.arena, "t%03d", i), "", "", "");
    load();
    post_modern(&p, "tools/list", NULL, "");
    assert_int_equal(json_len(json_get(post_result(&p), "tools")), 500 + BUILTIN_TOOLS);
    assert_null(json_get(post_result(&p), "nextCursor"));
}

static void a_list_that_is_too_long_comes_in_pages(void **state) {
    static const char *const wrong[] = {"abc", "", "!", "YWZ0ZXI"};
    const size_t each = 60000;
    const char *cursor;
    size_t seen = 0, pages = 0;

    (void)state;
    for (int i = 0; i < 150; i++)
        large_tool(arena_printf(p.arena, "t%03d", i), each);
    load();
    assert_int_equal(bad, 0);
    post_modern(&p, "tools/list", NULL, "");
    for (;;) {
        const struct json *tools = json_get(post_result(&p), "tools");

        pages++;
        seen += json_len(tools);
        assert_true(p.reply.body_len < LIST_PAGE_BYTES_MAX + 1000);
        cursor = json_get_str(post_result(&p), "nextCursor");
        if (!cursor)
            break;
        assert_true(p.reply.body_len > LIST_PAGE_BYTES_MAX - each - 1000);
        post_modern(&p, "tools/list", NULL, arena_printf(p.arena, "\"cursor\":\"%s\"", cursor));
        expect_result(&p);
    }
    assert_int_equal(pages, 3);
    assert_int_equal(seen, 152); /* with echo and whoami */
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        post_modern(&p, "tools/list", NULL, arena_printf(p.arena, "\"cursor\":\"%s\"", wrong[i]));
        expect_error(&p, 200, -32602);
    }
    post_modern(&p, "tools/list", NULL, "\"cursor\":7");
    expect_error(&p, 200, -32602);
}

/* What model APIs refuse is told to the admin, who can do something about it. */
static void advice(void **state) {
    char *text = NULL;
    size_t len;
    FILE *f;

    (void)state;
#define SCHEMA_WITH(more) "\"inputSchema\":{\"type\":\"object\"" more "},"
    site_file(&site, "run.sh", "#!/bin/sh\n", 0755);
#define RUN_TRUE "\"run\":{\"command\":[\"./run.sh\"]}}"
    site_file(&site, "a.json",
              "{\"name\":\"good_1-A\",\"description\":\"d\"," SCHEMA_WITH("") RUN_TRUE, 0644);
    site_file(&site, "b.json",
              "{\"name\":\"has.dot\",\"description\":\"d\"," SCHEMA_WITH("") RUN_TRUE, 0644);
    site_file(&site, "c.json",
              "{\"name\":\"0123456789012345678901234567890123456789012345678901234567890123\","
              "\"description\":\"d\"," SCHEMA_WITH("") RUN_TRUE,
              0644);
    site_file(&site, "d.json",
              "{\"name\":\"01234567890123456789012345678901234567890123456789012345678901234\","
              "\"description\":\"d\"," SCHEMA_WITH("") RUN_TRUE,
              0644);
    site_file(&site, "e.json",
              "{\"name\":\"e\"," SCHEMA_WITH(
                  ",\"anyOf\":[{}],\"properties\":{\"a\":{\"oneOf\":[{}]}}") RUN_TRUE,
              0644);
    load();
    assert_int_equal(bad, 0);
    f = open_memstream(&text, &len);
    assert_non_null(f);
    site.config.tools_dir = "/dir";
    catalog_warn(site.mcp.catalog, CATALOG_TOOLS, f);
    assert_int_equal(fclose(f), 0);
    assert_string_equal(
        text,
        "/dir/b.json: warning: some clients refuse a name with a dot (has.dot)\n"
        "/dir/d.json: warning: some clients refuse a name of more than 64 bytes "
        "(01234567890123456789012345678901234567890123456789012345678901234)\n"
        "/dir/e.json: warning: there is no description, by which models choose a tool; some "
        "clients leave it out\n"
        "/dir/e.json: warning: some model APIs refuse an inputSchema with anyOf at its top; put "
        "it below properties\n");
    free(text);
}

/* A call of 2026-07-28. `arguments` are its members. */
static void call(const char *tool, const char *arguments) {
    post_modern(&p, "tools/call", tool,
                arena_printf(p.arena, "\"name\":\"%s\",\"arguments\":{%s}", tool, arguments));
}

/* `make` runs the tests from the top of the tree. */
static void the_examples_load(void **state) {
    (void)state;
    assert_int_equal(access("share/tools.d", R_OK), 0);
    site.config.tools_dir = "share/tools.d";
    load();
    if (bad)
        fail_msg("%s", problems);
    call("disk_usage", "");
    expect_result(&p);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, site_begin, end)
    const struct CMUnitTest tests[] = {
        T(bad_manifests_are_reported),
        T(what_a_program_may_not_be_given_is_reported),
        T(a_secret_that_is_not_there_is_warned_of),
        T(each_limit_of_what_a_program_is_given_holds),
        T(a_manifest_names_members_of_one_kind_of_source_only),
        T(bad_header_annotations_are_reported),
        T(programs_that_cannot_start_are_reported),
        T(a_bad_manifest_does_not_stop_the_others),
        T(without_a_directory_the_built_in_tools_are_there),
        T(the_list_is_in_order_and_says_no_more_than_it_should),
        T(many_tools_are_on_the_first_page),
        T(a_list_that_is_too_long_comes_in_pages),
        T(advice),
        T(the_examples_load),
    };
    return cmocka_run_group_tests(tests, runner_setup, runner_teardown);
}
