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

/* A finding: `what` was checked, the text says what was found, and `advice` what to do about it. */
void doctor_say(struct doctor *d, enum verdict verdict, const char *what, const char *advice,
                const char *fmt, ...) PRINTF_LIKE(5, 6);
#define doctor_ok(d, what, ...) doctor_say(d, VERDICT_OK, what, "", __VA_ARGS__)
#define doctor_warn(d, what, ...) doctor_say(d, VERDICT_WARN, what, __VA_ARGS__)
#define doctor_fail(d, what, ...) doctor_say(d, VERDICT_FAIL, what, __VA_ARGS__)
/* A finding for each line that a loader wrote. */
void doctor_say_lines(struct doctor *d, enum verdict verdict, const char *what, const char *advice,
                      char *lines);
/* Compares this host's clock with the Date of an answer (0: it had none). */
void doctor_say_clock(struct doctor *d, const char *whose, int64_t answer_s, int64_t limit_s);

/* What to do when a public address cannot be reached from here. */
#define DOCTOR_REACH_ADVICE                                                                        \
    "let the name lead to the web server, and open the port; if this host cannot reach its own "   \
    "public address, run doctor on another one with the same configuration"

/* The checks, a file each. */
void check_config(struct doctor *d);
void check_directories(struct doctor *d); /* clients, and what the MCP endpoint offers */
void check_socket(struct doctor *d);
/* The folder of its configuration. Says nothing where it is not the web server of this service. */
void check_lighttpd(struct doctor *d, const char *folder);
void check_public(struct doctor *d);
bool check_certificate(struct doctor *d, const char *origin); /* false: no client would take it */
void check_idp(struct doctor *d);
void check_dynamodb(struct doctor *d);
void check_outputs(struct doctor *d); /* of check_config.c; root is another user from here on */

/* Runs all checks and prints a line each, or JSON. Returns the exit status: enum verdict. */
int doctor_run(const char *config_path, bool as_json, FILE *out);
