/* What the AWS room parses: the shared files, and the answers of the Security Token Service, of
 * credential endpoints and of DynamoDB. */
#include "aws/credentials_source.h"
#include "aws/xml.h"
#include "input.h"
#include "standalone.h"

/* For its answers. */
#include "aws/dynamodb.c"

#define NOW_S 1800000000

static void try_ini(struct arena *a, const uint8_t *data, size_t size) {
    struct err e = {0};
    struct aws_ini_line *lines;
    enum rc rc = aws_ini_parse(a, "file", arena_strndup(a, (const char *)data, size), &lines, &e);

    MUST(!rc || rc == ERR_MISCONFIGURED);
    for (const struct aws_ini_line *l = lines; l; l = l->next)
        MUST(l->section && strlen(l->key) + strlen(l->value) <= 3 * size + 1);
}

/* What is taken over can be signed with and sent. */
static void check_credentials(const struct aws_credentials *c) {
    MUST(aws_is_token(c->access_key_id) && aws_is_token(c->secret_access_key));
    MUST(!*c->session_token || aws_is_token(c->session_token));
    MUST(!c->expires_s || c->expires_s > NOW_S);
}

/* The same text as both of the shared files: what it says of the profile that is asked for. */
static void try_profile(struct arena *a, const uint8_t *data, size_t size) {
    const char *path = fuzz_path(a, "shared");
    const char *const vars[] = {arena_printf(a, "AWS_CONFIG_FILE=%s", path),
                                arena_printf(a, "AWS_SHARED_CREDENTIALS_FILE=%s", path), NULL};
    const struct aws_env env = {.vars = vars};
    struct aws_profile profile;
    struct aws_endpoint endpoint;
    struct aws_credentials credentials = {0};
    const struct aws_fetch f = {.arena = a, .env = &env, .now_s = NOW_S};
    struct err e = {0};
    const char *id;

    fuzz_write(path, data, size, 0600);
    if (aws_profile_load(a, &env, &profile, &e)) {
        MUST(e.code == ERR_MISCONFIGURED && *e.text && is_plain_line(e.text, strlen(e.text)));
        return;
    }
    MUST(!strcmp(profile.name, "default"));
    id = aws_profile_get(&profile, "aws_access_key_id");
    MUST(!id || *id);
    if (aws_endpoint(a, &(struct aws_lookup){&env, "eu-west-1", "dynamodb"}, &endpoint, &e))
        MUST(e.code == ERR_MISCONFIGURED && *e.text);
    else
        MUST(*endpoint.host && !strncmp(endpoint.url, "http", 4) && *endpoint.path == '/');
    if (!aws_source_profile.fetch(&f, &credentials, &e))
        check_credentials(&credentials);
}

static void try_answers(struct arena *a, const char *text, size_t size) {
    const struct aws_fetch f = {.arena = a, .now_s = NOW_S};
    const struct http_reply reply = {
        .status = 200, .content_type = "", .body = text, .body_len = size};
    struct aws_credentials credentials;
    struct err e = {0};
    const char *found;
    int64_t time_s;

    found = aws_xml_text(a, text, size, "a/b");
    MUST(!found || strlen(found) <= size);
    (void)text_parse_rfc3339(text, &time_s);
    if (aws_read_json(&f, "it", &reply, &credentials, &e))
        MUST((e.code == ERR_UPSTREAM || e.code == ERR_MISCONFIGURED) && *e.text);
    else
        check_credentials(&credentials);
}

static void try_dynamodb(struct arena *a, const char *text, size_t size) {
    static const struct http_reply_field fields[] = {{"Date", "Fri, 15 Jan 2027 08:00:00 GMT"}};
    static const long statuses[] = {200, 400, 500};

    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        const struct http_reply reply = {.status = statuses[i],
                                         .body = text,
                                         .body_len = size,
                                         .fields = fields,
                                         .field_count = 1};
        struct dynamodb_result r = {.fault = "", .message = ""};
        enum meaning meaning = read_reply(a, &reply, &r);

        MUST(http_date(r.date) == NOW_S && r.fault && r.message);
        MUST((meaning == DONE) == json_is_object(r.output));
        MUST(statuses[i] == 200 || meaning != DONE);
        if (meaning == DONE)
            count_units("GetItem", &r);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena *a = arena_new(ARENA_BYTES);
    const char *text = arena_strndup(a, (const char *)data, size);

    if (size <= AWS_ANSWER_MAX) {
        try_ini(a, data, size);
        try_profile(a, data, size);
        try_answers(a, text, size);
        try_dynamodb(a, text, size);
    }
    arena_free(a);
    return 0;
}
