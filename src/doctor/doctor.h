/* `mcp-authd doctor`: tries everything that the service will need, from the host that it runs on,
 * and says what to do about what is wrong. It changes nothing anywhere. Only what ENDPOINTS uses is
 * checked. Every question has a deadline, and of every answer no more than a named limit is read.
 */
#pragma once

#include "base/base.h"
#include "base/json.h"
#include "config/config.h"
#include "net/http.h"

/* The exit status is the worst that was found. */
enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_FAIL };

struct doctor {
    const struct config *config;
    struct http_client *http;   /* to any address */
    struct http_client *public; /* to our own addresses; of check_public.c */
    struct arena *arena;
    struct clock clock;
    FILE *out;
    struct json *checks; /* with --json: what was found, instead of lines */
    enum verdict worst;
};

/* `what` was checked, a text says what was found, and `advice` what to do about it. */
struct finding {
    enum verdict verdict;
    const char *what, *advice;
};
void doctor_say(struct doctor *d, const struct finding *f, const char *fmt, ...) PRINTF_LIKE(3, 4);
#define doctor_ok(d, what, ...) doctor_say(d, &(struct finding){VERDICT_OK, what, ""}, __VA_ARGS__)
#define doctor_warn(d, what, advice, ...)                                                          \
    doctor_say(d, &(struct finding){VERDICT_WARN, what, advice}, __VA_ARGS__)
#define doctor_fail(d, what, advice, ...)                                                          \
    doctor_say(d, &(struct finding){VERDICT_FAIL, what, advice}, __VA_ARGS__)
/* A finding for each line that a loader wrote. */
void doctor_say_lines(struct doctor *d, enum verdict verdict, const char *what, const char *advice,
                      char *lines);
/* Compares this host's clock with the Date of an answer (0: it had none). */
void doctor_say_clock(struct doctor *d, const char *whose, int64_t answer_s, int64_t limit_s);

/* The checks: check_….c. */
void check_config(struct doctor *d);
void check_directories(struct doctor *d); /* pinned clients, and manifests */
void check_socket(struct doctor *d);
/* The folder of its configuration. Says nothing where it is not the web server of this service. */
void check_lighttpd(struct doctor *d, const char *folder);
void check_public(struct doctor *d);
void check_idp(struct doctor *d);
void check_dynamodb(struct doctor *d);
void check_outputs(struct doctor *d); /* root is another user from here on */

/* Runs all checks and prints a line each, or JSON. Returns the exit status: enum verdict. */
int doctor_run(const char *config_path, bool as_json, FILE *out);
