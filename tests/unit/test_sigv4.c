/* Signature Version 4, stage by stage, on the cases in tests/vectors/sigv4: a folder each, with the
 * names of AWS's own test suite. A new folder is a new test. */
#include "unit.h"

#include <dirent.h>
#include <time.h>

#include "aws/sigv4.h"
#include "base/encode.h"
#include "base/json.h"
#include "crypto/digest.h"

#define VECTORS "tests/vectors/sigv4"
#define FILE_MAX 65536
#define CASES_MAX 200
#define HEADERS_MAX 32

struct signing_case {
    struct aws_sign_request rq;
    struct aws_credentials credentials;
    const char *headers[HEADERS_MAX + 1];
};

static char *read_file(struct arena *a, const char *name, const char *file) {
    char *text = arena_alloc(a, FILE_MAX);
    FILE *f = fopen(arena_printf(a, VECTORS "/%s/%s", name, file), "r");

    assert_non_null(f);
    assert_true(fread(text, 1, FILE_MAX, f) < FILE_MAX);
    fclose(f);
    return text;
}

/* "METHOD target HTTP/1.1", header lines, an empty line, body. Some published cases send the body's
 * hash as a header. */
static void parse_request(struct arena *a, char *text, bool sign_body, struct signing_case *c) {
    char *end = strstr(text, "\n\n"), *line, *rest, *mark;
    uint8_t digest[SHA256_LEN];
    size_t count = 0;

    c->rq.body = end ? end + 2 : "";
    c->rq.body_len = strlen(c->rq.body);
    if (end)
        *end = 0;
    rest = strchr(text, '\n');
    assert_non_null(rest);
    *rest++ = 0;
    mark = strrchr(text, ' ');
    *mark = 0;
    mark = strchr(text, ' ');
    *mark = 0;
    c->rq.method = text;
    c->rq.path = mark + 1;
    while ((line = strsep(&rest, "\n"))) {
        if (!*line)
            continue;
        assert_true(count < HEADERS_MAX);
        if (!strncmp(line, "Host:", 5))
            c->rq.host = line + 5;
        else
            c->headers[count++] = line;
    }
    if (sign_body) {
        sha256(c->rq.body, c->rq.body_len, digest);
        c->headers[count] =
            arena_printf(a, "x-amz-content-sha256:%s", hex_encode(a, digest, sizeof digest));
    }
    c->rq.headers = c->headers;
}

static void load(struct arena *a, const char *name, struct signing_case *c) {
    char *context = read_file(a, name, "context.json");
    struct json *v;
    struct err e = {0};
    struct tm tm = {0};
    const char *token;

    memset(c, 0, sizeof *c);
    assert_int_equal(json_parse(a, context, strlen(context), &v, &e), OK);
    c->credentials.access_key_id = json_get_str(v, "access_key_id");
    c->credentials.secret_access_key = json_get_str(v, "secret_access_key");
    token = json_get_str(v, "session_token");
    c->credentials.session_token = token ? token : "";
    c->rq.region = json_get_str(v, "region");
    c->rq.service = json_get_str(v, "service");
    c->rq.credentials = &c->credentials;
    assert_non_null(strptime(json_get_str(v, "time"), "%Y-%m-%dT%H:%M:%SZ", &tm));
    c->rq.time_s = timegm(&tm);
    parse_request(a, read_file(a, name, "request.txt"), json_get_bool(v, "sign_body"), c);
}

static bool is_sent(const char *const *lines, const char *name, const char *value) {
    size_t len = strlen(name);

    for (; *lines; lines++)
        if (!strncmp(*lines, name, len) && (*lines)[len] == ':' &&
            !strcmp(*lines + len + 1 + strspn(*lines + len + 1, " "), value))
            return true;
    return false;
}

/* What is sent: every line that the published signed request has. */
static void signed_request_is(struct arena *a, const char *name, const struct signing_case *c) {
    char *rest = strchr(read_file(a, name, "header-signed-request.txt"), '\n') + 1, *line, *end;
    const char *const *lines = sigv4_sign(a, &c->rq).lines;
    unsigned checked = 0;

    if ((end = strstr(rest, "\n\n")))
        *end = 0;
    while ((line = strsep(&rest, "\n"))) {
        char *colon = strchr(line, ':');

        if (!colon || (strncasecmp(line, "x-amz-", 6) && strncmp(line, "Authorization", 13)))
            continue;
        *colon++ = 0;
        if (!is_sent(lines, line, colon))
            fail_msg("%s: %s is not sent", line, colon);
        checked++;
    }
    assert_true(checked >= 2);
    for (unsigned i = 0; c->headers[i]; i++)
        assert_string_equal(lines[i], c->headers[i]);
}

static void stages_are_as_published(void **state) {
    const char *name = *state;
    struct arena *a = arena_new(64 << 20);
    struct signing_case c;
    struct sigv4 s;

    load(a, name, &c);
    s = sigv4_sign(a, &c.rq);
    assert_string_equal(s.canonical_request, read_file(a, name, "header-canonical-request.txt"));
    assert_string_equal(s.string_to_sign, read_file(a, name, "header-string-to-sign.txt"));
    signed_request_is(a, name, &c);
    arena_free(a);
}

/* ---- what the published cases leave open ---- */

static const struct aws_credentials example = {"AKIDEXAMPLE", "secret", "", 0};

static struct aws_sign_request plain(void) {
    static const char *const none[] = {NULL};

    return (struct aws_sign_request){
        .method = "GET",
        .host = "example.amazonaws.com",
        .path = "/",
        .headers = none,
        .region = "us-east-1",
        .service = "service",
        .credentials = &example,
        .time_s = 1440938160,
    };
}

/* Line n (from 0) of the canonical request. */
static const char *canonical_line(struct arena *a, const struct aws_sign_request *rq, unsigned n) {
    char *rest = arena_strdup(a, sigv4_sign(a, rq).canonical_request), *line = strsep(&rest, "\n");

    while (n--)
        line = strsep(&rest, "\n");
    return line;
}

static void paths_are_encoded_twice(void **state) {
    static const char *const cases[][2] = {
        {"/", "/"},
        {"/a%20b", "/a%2520b"},
        {"/a+b", "/a%2Bb"},
        {"/ddb/v1/", "/ddb/v1/"},
        {"/a:b@c", "/a%3Ab%40c"},
    };
    struct aws_sign_request rq = plain();

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        rq.path = cases[i][0];
        assert_string_equal(canonical_line(*state, &rq, 1), cases[i][1]);
    }
}

static void headers_are_sorted_by_name(void **state) {
    static const char *const headers[] = {"Zeta: 1", "b2: two words", "B: x", "a:", NULL};
    struct aws_sign_request rq = plain();
    const char *const *lines;

    rq.headers = headers;
    assert_string_equal(sigv4_sign(*state, &rq).canonical_request,
                        "GET\n/\n\n"
                        "a:\n"
                        "b:x\n"
                        "b2:two words\n"
                        "host:example.amazonaws.com\n"
                        "x-amz-date:20150830T123600Z\n"
                        "zeta:1\n"
                        "\n"
                        "a;b;b2;host;x-amz-date;zeta\n"
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    lines = sigv4_sign(*state, &rq).lines;
    assert_string_equal(lines[0], "Zeta: 1");
    assert_string_equal(lines[3], "a:");
    assert_string_equal(lines[4], "X-Amz-Date: 20150830T123600Z");
    assert_int_equal(
        strncmp(lines[5], "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/", 55), 0);
    assert_null(lines[6]);
}

static const char *signature(struct arena *a, const struct aws_sign_request *rq) {
    return strstr(sigv4_sign(a, rq).lines[1], "Signature=");
}

static void any_change_changes_the_signature(void **state) {
    static const struct aws_credentials another = {"AKIDEXAMPLE", "Secret", "", 0};
    struct aws_sign_request changed[8];
    const struct aws_sign_request rq = plain();

    for (unsigned i = 0; i < 8; i++)
        changed[i] = rq;
    changed[0].method = "PUT";
    changed[1].host = "example.amazonaws.com:8000";
    changed[2].path = "/a";
    changed[3].body = "x";
    changed[3].body_len = 1;
    changed[4].region = "us-east-2";
    changed[5].service = "services";
    changed[6].time_s++;
    changed[7].credentials = &another;
    assert_string_equal(signature(*state, &rq), signature(*state, &rq));
    for (unsigned i = 0; i < 8; i++)
        assert_string_not_equal(signature(*state, &changed[i]), signature(*state, &rq));
}

/* ---- running ---- */

static int compare_names(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

int main(void) {
    static const struct CMUnitTest own[] = {
        WITH_ARENA(paths_are_encoded_twice),
        WITH_ARENA(headers_are_sorted_by_name),
        WITH_ARENA(any_change_changes_the_signature),
    };
    struct CMUnitTest tests[CASES_MAX];
    char *names[CASES_MAX];
    size_t count = 0;
    struct dirent *entry;
    DIR *dir = opendir(VECTORS);
    int failed;

    if (!dir) {
        perror(VECTORS);
        return 1;
    }
    while ((entry = readdir(dir)))
        if (!strchr(entry->d_name, '.') && count < CASES_MAX)
            names[count++] = strdup(entry->d_name);
    closedir(dir);
    qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 0; i < count; i++)
        tests[i] = (struct CMUnitTest){names[i], stages_are_as_published, NULL, NULL, names[i]};
    failed = count == 0 || _cmocka_run_group_tests("published", tests, count, NULL, NULL) != 0;
    failed = cmocka_run_group_tests(own, NULL, NULL) != 0 || failed;
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    return failed;
}
