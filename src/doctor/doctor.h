/* `mcp-authd doctor`: tries everything that the service will need, from the host that it runs on,
 * and says what to do about what is wrong. It changes nothing anywhere. Only what ENDPOINTS uses is
 * checked. Every question has a deadline, and of every answer no more than a named limit is read.
 */
#ifndef DOCTOR_DOCTOR_H
#define DOCTOR_DOCTOR_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/json.h"
#include "config/config.h"
#include "net/http.h"
#include <stdbool.h>
#include <stdio.h>

/* The exit status is the worst that was found. */
enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_FAIL };

struct doctor {
    const struct config *config;
    struct http_client *http;   /* without the guard */
    struct http_client *public; /* to our own addresses; of check_public.c */
    struct arena *arena;
    struct clock clock;
    FILE *out;
    struct json *checks; /* with --json: what was found, instead of lines */
    enum verdict worst;
};

/* One finding: `what` was looked at, `text` is what was found, `advice` what to do ("" if it is
 * good). */
void doctor_say(struct doctor *d, enum verdict verdict, const char *what, const char *advice,
                const char *fmt, ...) PRINTF_LIKE(5, 6);
/* The same for each line that a loader wrote. */
void doctor_say_lines(struct doctor *d, enum verdict verdict, const char *what, const char *advice,
                      char *lines);
/* The difference between this host's clock and the Date of an answer; 0: there was none. */
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

#endif
