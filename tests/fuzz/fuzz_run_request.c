/* Requests to the runner. What is understood keeps its meaning when it is written and read again.
 */
#include "input.h"
#include "runner/request.h"
#include "standalone.h"

static void same(const char *const *a, const char *const *b, size_t max) {
    size_t i = 0;

    for (; a[i] && b[i]; i++)
        MUST(!strcmp(a[i], b[i]));
    MUST(a[i] == b[i] && i <= max);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char again[RUN_REQUEST_MAX];
    static struct run_strings first, second;
    char *message =
        malloc(size ? size : 1); /* of this size, so that the sanitizer sees one byte more */
    struct run_request r, s;
    size_t len;

    MUST(message);
    memcpy(message, data, size);
    if (run_request_decode(message, size, &first, &r) == RUN_PROGRAM) {
        len = run_request_encode(&r, again);
        MUST(len == size);
        MUST(run_request_decode(again, len, &second, &s) == RUN_PROGRAM);
        MUST(*r.dir == '/' && *r.argv[0] == '/' && !strcmp(r.dir, s.dir));
        same(r.argv, s.argv, RUN_ARGS_MAX);
        same(r.envp, s.envp, RUN_ENV_MAX);
        same(r.read, s.read, RUN_PATHS_MAX);
        same(r.write, s.write, RUN_PATHS_MAX);
        MUST(r.home == s.home && r.secrets == s.secrets && r.secrets <= RUN_SECRETS_MAX);
        MUST(!memcmp(&r.limits, &s.limits, sizeof r.limits));
    }
    free(message);
    return 0;
}
