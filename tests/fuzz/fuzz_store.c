/* Items of a DynamoDB table, as whoever can write to the table may leave them: an item is a session
 * that is whole, or damaged. */
#include "input.h"
#include "standalone.h"

/* For how an item is read: the rest asks DynamoDB. */
#include "store/sessions_dynamodb.c"

/* Of the only site, and of one of several. */
static const struct table tables[] = {{.kind = &sessions_table, .site = ""},
                                      {.kind = &sessions_table, .site = "s"}};

static void read_item(struct arena *a, const struct table *t, const struct json *item) {
    struct session s = {.id = NULL}, again = {.id = NULL};
    struct err e = {0};

    if (decode(t, item, &s, &e)) {
        MUST(e.code == ERR_STORE && *e.text && *e.detail);
        return;
    }
    MUST(s.id && s.browser && s.login && s.grant && s.attempt);
    MUST(s.state == SESSION_PENDING || s.state == SESSION_AUTHORIZED);
    /* Written as a new one, it is read as the same. */
    MUST(!decode(t, encode(t, a, &s, "attempt"), &again, &e));
    MUST(again.state == SESSION_PENDING && again.ttl == s.ttl);
    MUST(!strcmp(again.id, s.id) && !strcmp(again.browser, s.browser) &&
         !strcmp(again.login, s.login) && !strcmp(again.attempt, "attempt"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena *a = arena_new(ARENA_BYTES);
    struct json *item;
    struct err e = {0};

    if (size <= 65536 && !json_parse(a, (const char *)data, size, &item, &e))
        for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
            read_item(a, &tables[i], item);
    arena_free(a);
    return 0;
}
