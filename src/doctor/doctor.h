/* `mcp-authd doctor`: tries everything that the service will need, from the host that it runs on,
 * and says what to do about what is wrong. It changes nothing anywhere. Only what ENDPOINTS uses is
 * checked. Each question has a deadline, and of each answer no more than a named limit is read. */
#pragma once

#include <sys/types.h>

#include "base/json.h"
#include "base/problems.h"
#include "config/config.h"
#include "net/http.h"

/* The exit status is the worst that was found. */
enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_FAIL };

struct doctor {
    const struct config *config;        /* of the site that is checked */
    bool needs_audience, shares_client; /* of this site: config/sites.h */
    struct http_client *http;           /* to any address */
    struct http_client *public;         /* to our own addresses; of check_public.c */
    struct arena *arena;
    struct clock clock;
    FILE *out;
    const char *check;   /* the name of the one that runs, in what is reported */
    struct json *checks; /* with --json: what was found, instead of lines */
    enum verdict worst;
};

/* Runs one check. */
static inline void doctor_check(struct doctor *d, const char *name,
                                void (*check)(struct doctor *)) {
    d->check = name;
    check(d);
}
/* Reports what the check has found, and what to do about it. */
void doctor_report(struct doctor *d, enum verdict verdict, const char *advice, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
#define doctor_ok(d, ...) doctor_report(d, VERDICT_OK, "", __VA_ARGS__)
#define doctor_warn(d, advice, ...) doctor_report(d, VERDICT_WARN, advice, __VA_ARGS__)
#define doctor_fail(d, advice, ...) doctor_report(d, VERDICT_FAIL, advice, __VA_ARGS__)
/* The same for each line that a loader wrote; returns how many there were. */
unsigned doctor_report_lines(struct doctor *d, enum verdict verdict, const char *advice,
                             struct problems *lines);
/* The name of a user; its number if it has none. */
const char *doctor_user_name(struct arena *a, uid_t uid);
/* The check "clock": compares this host's clock with the Date of an answer (NULL: it had none). */
void doctor_check_clock(struct doctor *d, const char *whose, const char *date, int64_t limit_s);

/* The checks: check_….c. */
void check_config(struct doctor *d);
void check_directories(struct doctor *d); /* pinned clients, and manifests */
void check_socket(struct doctor *d);
/* The folder of its configuration. Says nothing where it is not the web server of this service. */
void check_lighttpd(struct doctor *d, const char *folder);
void check_runner(struct doctor *d);
void check_servers(struct doctor *d);
void check_public(struct doctor *d);
void check_idp(struct doctor *d);
void check_dynamodb(struct doctor *d);
void check_outputs(struct doctor *d); /* root is another user from here on */

/* Runs all checks, of all sites or of the one named, and prints a line each, or JSON. Returns the
 * exit status: enum verdict. */
int doctor_run(const char *config_path, const char *site, bool as_json, FILE *out);
