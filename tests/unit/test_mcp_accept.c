/* The Accept header: what is acceptable, and what is preferred. */
#include "unit.h"

#include "mcp/headers.h"

#define JSON "application/json"
#define STREAM "text/event-stream"

static void each_header_is_weighed(void **state) {
    static const struct {
        const char *accept; /* NULL: there is none */
        bool json, stream, prefers_stream;
    } cases[] = {
        {NULL, true, true, false},
        {"", true, true, false},
        {"  ", true, true, false},
        {"*/*", true, true, false},
        {JSON ", " STREAM, true, true, false}, /* as the SDKs send it */
        {STREAM ", " JSON, true, true, true},  /* as the conformance suite does */
        {STREAM "," JSON, true, true, true},
        {"Text/Event-Stream, Application/JSON", true, true, true},
        {STREAM ";q=0.5, " JSON, true, true, false},
        {JSON ";q=0.8, " STREAM, true, true, true},
        {JSON ";q=0.8, " STREAM ";q=0.801", true, true, true},
        {JSON "; Q=0.801 , " STREAM ";q=0.8", true, true, false},
        {JSON ";charset=utf-8;q=0.1, " STREAM ";q=0.2", true, true, true},
        {JSON ";q=0, " STREAM, false, true, true},
        {JSON ", " STREAM ";q=0", true, false, false},
        {JSON ", " STREAM ";q=0.000", true, false, false},
        {"*/*;q=0.1, " STREAM, true, true, true},
        {"*/*, " STREAM ";q=0.1", true, true, false},
        {"*/*, " STREAM ";q=0", true, false, false},
        {"text/*, application/*", true, true, true},
        {"application/*, text/*", true, true, false},
        {"text/*;q=0, " STREAM, false, true, true},
        {JSON, true, false, false},
        {STREAM, false, true, true},
        {"text/html", false, false, false},
        {"text/event-streams, xapplication/json", false, false, false},
        {"text/event", false, false, false},
        {JSON ";;;q=0", false, false, false},
        {JSON ";q=", true, false, false},
        {JSON ";q=2", true, false, false},
        {JSON ";q=99999999999999999999", true, false, false},
        {",,, ;q=0, " STREAM, false, true, true},
        {JSON ";", true, false, false},
        {JSON ";x=\";q=0\"", true, false, false},
        {JSON ";x=\"\\\";q=0,\";q=0.4, " STREAM ";q=0.3", true, true, false},
        {JSON ";x=\"a, " STREAM ", b\"", true, false, false},
        {JSON ";x=\"open;q=0, " STREAM, true, false, false},
        {JSON ";q=x", true, false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[256], *params[] = {NULL, NULL};
        struct request rq = {.params = params};

        if (cases[i].accept) {
            (void)snprintf(line, sizeof line, "HTTP_ACCEPT=%s", cases[i].accept);
            params[0] = line;
        }
        if (mcp_accepts(&rq, JSON) != cases[i].json || mcp_accepts(&rq, STREAM) != cases[i].stream)
            fail_msg("what is acceptable by '%s'", line);
        if (mcp_prefers_stream(&rq) != cases[i].prefers_stream)
            fail_msg("what is preferred by '%s'", line);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_header_is_weighed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
