#include "server/status_show.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"

#define STATUS_ARENA_MAX (1 << 16)
#define EXIT_NOT_RUNNING 3 /* as the `status` of init scripts has it (LSB) */

/* A file can be left behind by a daemon that was killed, and its number be another's by now. */
static bool is_alive(int64_t pid) {
    char path[64], name[32] = "";
    FILE *f;

    if (pid < 1 || pid > INT32_MAX || (kill((pid_t)pid, 0) != 0 && errno == ESRCH))
        return false;
    (void)snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    f = fopen(path, "re");
    if (!f)
        return true; /* hidden from us (hidepid) */
    if (!fgets(name, sizeof name, f))
        name[0] = 0;
    (void)fclose(f);
    return !strcmp(name, "mcp-authd\n");
}

static int64_t number(const struct json *o, const char *key) {
    int64_t n = 0;

    (void)json_get_int(o, key, &n);
    return n;
}

static void print_streams(const struct json *s, FILE *out) {
    const struct json *holder = json_get(s, "stream_holder");
    int64_t silent_s = number(holder, "silent_s");

    (void)fprintf(out, "streams   %" PRId64 " open, waiting for changes", number(s, "streams"));
    if (!number(holder, "pid"))
        (void)fputs("; no process holds any", out);
    else if (silent_s)
        (void)fprintf(out, "; the process that holds them (%" PRId64 ") has hung for %" PRId64 " s",
                      number(holder, "pid"), silent_s);
    (void)fputc('\n', out);
}

static void print_status(const struct json *s, FILE *out) {
    const struct json *w = json_get(s, "workers"), *c = json_get(s, "token_cache");
    const struct json *lost = json_get(s, "lines_lost");
    const char *version = json_get_str(s, "version"), *state = json_get_str(s, "state");
    time_t started = (time_t)number(s, "started");
    char since[32] = "?";
    struct tm tm;

    if (localtime_r(&started, &tm))
        (void)strftime(since, sizeof since, "%F %T", &tm);
    (void)fprintf(out, "mcp-authd %s is %s (process %" PRId64 ", started %s)\n",
                  version ? version : "?", state ? state : "?", number(s, "pid"), since);
    (void)fprintf(out,
                  "workers   %" PRId64 ": %" PRId64 " idle, %" PRId64 " busy, %" PRId64
                  " starting, %" PRId64 " leaving (%" PRId64 " to %" PRId64 " allowed)\n",
                  number(w, "alive"), number(w, "idle"), number(w, "busy"), number(w, "starting"),
                  number(w, "leaving"), number(w, "min"), number(w, "max"));
    (void)fprintf(out, "          %" PRId64 " started, %" PRId64 " failed\n", number(w, "started"),
                  number(w, "failed"));
    (void)fprintf(out, "requests  %" PRId64 ", of which %" PRId64 " ended in a server error\n",
                  number(s, "requests"), number(s, "errors"));
    print_streams(s, out);
    (void)fprintf(out,
                  "tokens    %" PRId64 " looked up: %" PRId64 " known to the worker, %" PRId64
                  " verified anew\n",
                  number(c, "hits") + number(c, "misses"), number(c, "hits"), number(c, "misses"));
    (void)fprintf(out, "reloads   %" PRId64 " done, %" PRId64 " refused\n", number(s, "reloads"),
                  number(s, "reloads_refused"));
    if (number(lost, "log") + number(lost, "audit") + number(lost, "metrics"))
        (void)fprintf(out,
                      "lost      %" PRId64 " lines of the log, %" PRId64
                      " of the audit log, %" PRId64 " of metrics\n",
                      number(lost, "log"), number(lost, "audit"), number(lost, "metrics"));
}

int status_show(const char *path, bool as_json, FILE *out, FILE *errors) {
    struct arena *a = arena_new(STATUS_ARENA_MAX);
    struct json *s;
    struct err e;
    size_t len;
    int status = EXIT_NOT_RUNNING;

    if (access(path, R_OK) != 0 && errno != ENOENT) {
        (void)fprintf(errors, "%s: %s (ask as root)\n", path, strerror(errno));
        status = 1;
    } else if (!access(path, R_OK) && json_parse_file(a, path, STATUS_BYTES_MAX, &s, &e)) {
        (void)fprintf(errors, "%s: %s (a daemon that runs writes it again within a second)\n", path,
                      *e.detail ? e.detail : e.text);
        status = 1;
    } else if (access(path, R_OK) || !is_alive(number(s, "pid"))) {
        (void)fprintf(errors, "mcp-authd is not running (by %s)\n", path);
    } else {
        if (as_json)
            (void)fprintf(out, "%s\n", json_text(a, s, &len));
        else
            print_status(s, out);
        status = 0;
    }
    arena_free(a);
    return status;
}
