#include "doctor/doctor.h"

#include <stdarg.h>

#include "config/config.h"

#define ARENA_MAX (16UL << 20)
#define TEXT_MAX 512

static const char *const verdict_names[] = {"ok", "warn", "fail"};

void doctor_say(struct doctor *d, const struct finding *f, const char *fmt, ...) {
    char text[TEXT_MAX];
    struct json *o;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (f->verdict > d->worst)
        d->worst = f->verdict;
    if (!d->checks) {
        (void)fprintf(d->out, "%-4s  %-18s  %s%s%s\n", verdict_names[f->verdict], f->what, text,
                      *f->advice ? " — " : "", f->advice);
        (void)fflush(d->out); /* a check may take seconds */
        return;
    }
    o = json_new_object(d->arena);
    json_put_str(o, "check", f->what);
    json_put_str(o, "status", verdict_names[f->verdict]);
    json_put_str(o, "text", text);
    json_put_str(o, "advice", *f->advice ? f->advice : NULL);
    json_add(d->checks, o);
}

void doctor_say_lines(struct doctor *d, enum verdict verdict, const char *what, const char *advice,
                      char *lines) {
    char *save = NULL;

    for (char *l = strtok_r(lines, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
        doctor_say(d, &(struct finding){verdict, what, advice}, "%s", l);
}

void doctor_say_clock(struct doctor *d, const char *whose, int64_t answer_s, int64_t limit_s) {
    int64_t ahead_s = clock_now_s(&d->clock) - answer_s;

    if (!answer_s)
        return;
    if (llabs(ahead_s) < limit_s)
        doctor_ok(d, "clock", "within %lld s of %s", (long long)limit_s, whose);
    else
        doctor_fail(d, "clock", "set this host's clock (timedatectl set-ntp true)", "%lld s %s %s",
                    (long long)llabs(ahead_s), ahead_s > 0 ? "ahead of" : "behind", whose);
}

static void run_checks(struct doctor *d) {
    struct err e;

    check_config(d);
    check_directories(d);
    check_socket(d);
    check_lighttpd(d, "/etc/lighttpd");
    if (http_client_new(&http_options_open, &d->http, &e)) {
        doctor_fail(d, "HTTP client", "", "%s", e.text);
        return;
    }
    check_idp(d);
    check_dynamodb(d);
    check_public(d);
    http_client_free(d->http);
    check_outputs(d); /* last: it changes to the service's user */
}

/* The configuration is the first check: without it there are no others. */
static struct config *load(struct doctor *d, const char *path) {
    char *problems = NULL;
    size_t len;
    FILE *f = open_memstream(&problems, &len);
    struct config *c;

    if (!f)
        return NULL;
    c = config_load(path, f);
    (void)fclose(f);
    doctor_say_lines(d, VERDICT_FAIL, "configuration", "", problems);
    free(problems);
    if (c)
        doctor_ok(d, "configuration", "%s", path);
    return c;
}

static void print_json(struct doctor *d) {
    struct json *o = json_new_object(d->arena);

    json_put_str(o, "status", verdict_names[d->worst]);
    json_put(o, "checks", d->checks);
    (void)fprintf(d->out, "%s\n", json_text(d->arena, o, NULL));
}

int doctor_run(const char *config_path, bool as_json, FILE *out) {
    struct doctor d = {.out = out, .worst = VERDICT_OK};
    struct config *config;

    d.arena = arena_new(ARENA_MAX);
    if (as_json)
        d.checks = json_new_array(d.arena);
    log_set_level(LOG_ERROR); /* what would be logged is reported here, with advice */
    config = load(&d, config_path);
    if (config) {
        d.config = config;
        run_checks(&d);
    } else if (!d.worst) {
        d.worst = VERDICT_FAIL;
    }
    if (d.checks)
        print_json(&d);
    config_free(config);
    arena_free(d.arena);
    return (int)d.worst;
}
