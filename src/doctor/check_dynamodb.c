/* Private part of doctor.h: the tables and what we may do with them. The writes have a condition
 * that cannot hold: the answer ConditionalCheckFailedException proves the permission, and nothing
 * is written. */
#include <unistd.h>

#include "aws/dynamodb.h"
#include "doctor/doctor.h"
#include "store/sessions.h"
#include "store/stores.h"

#define NO_SUCH_KEY "mcp-authd-doctor"
#define CLOCK_LIMIT_S 60 /* AWS refuses what is 300 s away; sessions end by this clock */
#define CREATE_ADVICE "create it as docs/dynamodb.md says"

/* What is looked at. */
struct table {
    const char *name, *setting; /* the key of the configuration that names it */
    const char *key;            /* its partition key */
    const char *prefix;         /* of the names of its checks: "task " */
};

static bool uses_session_table(const struct config *c) {
    return session_store_find(c)->table && c->endpoints & (GROUP_AUTHORIZE | GROUP_TOKEN);
}

static void begin_check(struct doctor *d, const struct table *t, const char *name) {
    d->check = arena_printf(d->arena, "%s%s", t->prefix, name);
}

/* Failures that all calls share. Said once; false: nothing else can be asked. */
static bool report_common_failure(struct doctor *d, struct dynamodb *db,
                                  const struct dynamodb_result *r) {
    static const struct {
        const char *fault, *check, *text, *advice;
    } all[] = {
        {"NoCredentials", "credentials", "there are none",
         "see \"Credentials\" in docs/dynamodb.md"},
        {"UnrecognizedClientException", "credentials", "AWS does not know the access key or token",
         "replace them; for a custom endpoint, check that they are meant for it"},
        {"InvalidClientTokenId", "credentials", "AWS does not know the access key", "replace it"},
        {"InvalidSignatureException", "credentials", "AWS refuses the signature",
         "the secret access key is wrong, or the region (AWS_REGION) is not the endpoint's"},
        {"ExpiredTokenException", "credentials", "the session token has expired", "renew it"},
        {"NoAnswer", "DynamoDB", "no answer",
         "check HTTPS_PROXY_UPSTREAM, the address, DNS and the firewall"},
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(all[i].fault, r->fault) != 0)
            continue;
        d->check = all[i].check;
        doctor_fail(d, all[i].advice, "%s (%s; %s) %s", all[i].text,
                    aws_credentials_source_name(dynamodb_credentials(db)), dynamodb_url(db),
                    r->message);
        return false;
    }
    return true;
}

static void report_credentials(struct doctor *d, struct dynamodb *db) {
    struct aws_credentials c;

    d->check = "credentials";
    if (aws_credentials_get(dynamodb_credentials(db), d->arena,
                            clock_monotonic_ms() + AWS_CREDENTIALS_WAIT_MS, &c, ERR_IGNORED))
        return; /* the first call has said it */
    if (c.expires_s)
        doctor_ok(d, "from %s, for another %lld minutes",
                  aws_credentials_source_name(dynamodb_credentials(db)),
                  (long long)(c.expires_s - clock_now_s(&d->clock)) / 60);
    else
        doctor_ok(d, "from %s", aws_credentials_source_name(dynamodb_credentials(db)));
}

/* One key, of type S. */
static bool key_matches(const struct table *t, const struct json *table) {
    const struct json *schema = json_get(table, "KeySchema"),
                      *attributes = json_get(table, "AttributeDefinitions");

    if (json_len(schema) != 1 || !json_get_is(json_at(schema, 0), "AttributeName", t->key))
        return false;
    for (size_t i = 0; i < json_len(attributes); i++)
        if (json_get_is(json_at(attributes, i), "AttributeName", t->key))
            return json_get_is(json_at(attributes, i), "AttributeType", "S");
    return false;
}

static void report_table(struct doctor *d, const struct table *t, const struct json *table) {
    const char *status = json_get_str(table, "TableStatus");

    if (!key_matches(t, table))
        doctor_fail(d, CREATE_ADVICE, "the key of %s is not %s (String) alone", t->name, t->key);
    else if (!status || (strcmp(status, "ACTIVE") != 0 && strcmp(status, "UPDATING") != 0))
        doctor_fail(d, "wait, or look at it in the console", "%s is %s", t->name,
                    status ? status : "in an unknown state");
    else
        doctor_ok(d, "%s is %s", t->name, status);
}

static void report_describe_failure(struct doctor *d, const struct table *t, const char *operation,
                                    const struct dynamodb_result *r) {
    if (!strcmp(r->fault, "ResourceNotFoundException"))
        doctor_fail(d, arena_printf(d->arena, CREATE_ADVICE ", or check %s and region", t->setting),
                    "there is no table %s", t->name);
    else if (!strcmp(r->fault, "AccessDeniedException"))
        doctor_warn(
            d,
            arena_printf(d->arena,
                         "the service does not need dynamodb:%s; run doctor with credentials "
                         "that have it, or look in the console",
                         operation),
            "not looked at");
    else
        doctor_fail(d, "", "%s: %s %s", operation, r->fault, r->message);
}

/* false: nothing else can be asked. */
static bool describe_table(struct doctor *d, const struct table *t, struct dynamodb *db) {
    const struct dynamodb_request rq = {.operation = "DescribeTable",
                                        .input = json_new_object(d->arena)};
    struct dynamodb_result r;
    bool done = !dynamodb_call(db, d->arena, &rq, &r, ERR_IGNORED);

    if (!done && !report_common_failure(d, db, &r))
        return false;
    if (!*t->prefix || !uses_session_table(d->config)) { /* once */
        report_credentials(d, db);
        doctor_check_clock(d, "DynamoDB", r.date, CLOCK_LIMIT_S);
    }
    begin_check(d, t, "table");
    if (done)
        report_table(d, t, json_get(r.output, "Table"));
    else
        report_describe_failure(d, t, "DescribeTable", &r);
    return done || strcmp(r.fault, "ResourceNotFoundException") != 0;
}

static void check_ttl(struct doctor *d, const struct table *t, struct dynamodb *db) {
    const char *status, *attribute;
    const struct json *ttl;
    const struct dynamodb_request rq = {.operation = "DescribeTimeToLive",
                                        .input = json_new_object(d->arena)};
    struct dynamodb_result r;

    begin_check(d, t, "time to live");
    if (dynamodb_call(db, d->arena, &rq, &r, ERR_IGNORED)) {
        report_describe_failure(d, t, "DescribeTimeToLive", &r);
        return;
    }
    ttl = json_get(r.output, "TimeToLiveDescription");
    status = json_get_str(ttl, "TimeToLiveStatus");
    attribute = json_get_str(ttl, "AttributeName");
    if (status && attribute && !strncmp(status, "ENABL", 5) && !strcmp(attribute, "ttl"))
        doctor_ok(d, "on, attribute ttl");
    else
        doctor_fail(d,
                    "turn it on with attribute ttl, or the table grows for ever (docs/dynamodb.md)",
                    "it is %s%s%s", status ? status : "unknown", attribute ? ", attribute " : "",
                    attribute ? attribute : "");
}

static void check_permission(struct doctor *d, const struct table *t, struct dynamodb *db,
                             const char *operation) {
    struct json *input = json_new_object(d->arena);
    struct dynamodb_result r;
    enum rc rc, allowed = OK;

    begin_check(d, t, operation);
    if (!strcmp(operation, "GetItem")) {
        json_put_bool(input, "ConsistentRead", true);
    } else {
        allowed = ERR_CONFLICT;
        json_put_str(input, "ConditionExpression",
                     arena_printf(d->arena, "attribute_exists(%s) AND attribute_not_exists(%s)",
                                  t->key, t->key));
    }
    json_put(
        input, strcmp(operation, "PutItem") ? "Key" : "Item",
        json_new_member(d->arena, t->key,
                        json_new_member(d->arena, "S", json_new_string(d->arena, NO_SUCH_KEY))));
    rc = dynamodb_call(db, d->arena,
                       &(struct dynamodb_request){.operation = operation, .input = input}, &r,
                       ERR_IGNORED);
    if (rc == allowed)
        doctor_ok(d, "allowed");
    else if (!strcmp(r.fault, "AccessDeniedException"))
        doctor_fail(d, "attach the policy of docs/dynamodb.md", "not allowed: %s", r.message);
    else
        doctor_fail(d, "", "%s %s", r.fault, r.message);
}

static void check_table(struct doctor *d, const struct table *t, const char *const *operations) {
    const struct aws_env env = {(const char *const *)environ};
    const struct dynamodb_options options = {.env = &env,
                                             .region = d->config->aws_region,
                                             .table = t->name,
                                             .http = d->http,
                                             .clock = &d->clock,
                                             .what = "table",
                                             .setting = t->setting};
    struct dynamodb *db;
    struct err e;

    begin_check(d, t, "credentials");
    if (dynamodb_new(&options, &db, &e)) {
        doctor_fail(d, "see \"Credentials\" in docs/dynamodb.md", "%s", e.text);
        return;
    }
    if (describe_table(d, t, db)) {
        check_ttl(d, t, db);
        for (; *operations; operations++)
            check_permission(d, t, db, *operations);
    }
    dynamodb_free(db);
}

void check_dynamodb(struct doctor *d) {
    static const char *const both[] = {"PutItem", "UpdateItem", "GetItem", "DeleteItem", NULL};
    static const char *const authorize[] = {"PutItem", "UpdateItem", NULL};
    static const char *const token[] = {"GetItem", "DeleteItem", NULL};
    static const char *const tasks[] = {"PutItem", "GetItem", "UpdateItem", NULL};
    const struct config *c = d->config;
    const struct table session_table = {c->session_table_name, "SESSION_TABLE_NAME", "sessionId",
                                        ""};
    const struct table task_table = {c->task_table_name, "TASK_TABLE_NAME", "taskId", "task "};

    if (uses_session_table(c))
        check_table(d, &session_table,
                    !(c->endpoints & GROUP_TOKEN)       ? authorize
                    : !(c->endpoints & GROUP_AUTHORIZE) ? token
                                                        : both);
    if (*c->task_table_name && c->endpoints & GROUP_MCP)
        check_table(d, &task_table, tasks);
}
