/* Reads lines of {"schema":…,"instance":…} and answers each with a line: "valid", "invalid",
 * "error" (the schema is refused) or "bound", and behind it the place and the reason. With -t, the
 * microseconds of CPU time that the check took stand in between. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "jsonschema/schema.h"

static double now_us(void) {
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* In place of the clock's, for the bound on time too: what a busy machine does meanwhile is no work
 * of the check. */
int64_t clock_monotonic_ms(void) {
    return (int64_t)(now_us() / 1e3);
}

int64_t clock_realtime_ms(void) {
    return clock_monotonic_ms();
}

int64_t clock_now_s(const struct clock *c) {
    return c->fixed_s;
}

static void answer(const char *line, size_t len, int timed) {
    struct arena *a = arena_new((size_t)256 << 20);
    struct json *v;
    struct schema *s;
    struct schema_error why;
    struct err e = {0};
    double began;
    enum rc rc;

    if (json_parse(a, line, len, &v, &e)) {
        (void)printf("unreadable %s\n", e.text);
    } else if (schema_compile(a, json_get(v, "schema"), &s, &e)) {
        (void)printf("error %s\n", e.text);
    } else {
        began = now_us();
        rc = schema_check(s, json_get(v, "instance"), a, &why);
        (void)printf("%s", !rc ? "valid" : rc == ERR_TOO_LARGE ? "bound" : "invalid");
        if (timed)
            (void)printf(" %.1f", now_us() - began);
        if (rc)
            (void)printf(" %s: %s (%s)", why.instance, why.reason, why.keyword);
        (void)printf("\n");
    }
    arena_free(a);
}

int main(int argc, char **argv) {
    int timed = argc > 1 && !strcmp(argv[1], "-t");
    char *line = NULL;
    size_t size = 0;
    ssize_t len;

    while ((len = getline(&line, &size, stdin)) > 0)
        answer(line, (size_t)len - (line[len - 1] == '\n'), timed);
    free(line);
    return fflush(stdout) ? 1 : 0;
}
