/* The application: wires the rooms together and turns one request into one reply. Knows no
 * processes and no sockets. */
#pragma once

#include "base/base.h"
#include "config/config.h"
#include "web/reply.h"
#include "web/request.h"

struct app;

/* Opens the store, the key file, the HTTP clients and the tools. Call in a worker, after the fork.
 * The configuration is borrowed. */
enum rc app_new(const struct config *config, struct app **out, struct err *e) MUST_USE;
void app_free(struct app *app);

/* Always fills the reply, and logs the request once. `read` is what reading the request gave: OK,
 * or ERR_TOO_LARGE for a body over the limit. */
void app_handle(struct app *app, const struct request *rq, enum rc read, struct reply *rp);

/* Seconds that a request may hold a worker, by the group of its path. */
int app_time_limit_s(const struct app *app, const struct request *rq);

/* Reads the directories of tools, resources and prompts again. */
void app_refresh(struct app *app);

/* Small upkeep between requests, such as sweeping expired sessions. */
void app_upkeep(struct app *app);

/* The process that watches tasks for the stream holder: answers the questions that come at fd
 * (server/task_subscriptions.h), until it is closed. */
void app_watch(const struct config *config, int fd);

/* Everything that -t and a reload check beyond the syntax of the configuration, as far as ENDPOINTS
 * uses it: key file, tools, pinned clients. Writes a line per problem; false if the daemon would
 * not start. *left_out is how many manifests, clients and pages it would start without. */
bool app_check(const struct config *config, FILE *problems, unsigned *left_out);

/* Would this client be allowed to log users in? Fetches its document as /authorize
 * does, and writes what it found. */
bool app_try_client(const struct config *config, const char *client_id, FILE *out);

/* For commands: root may write where the service's user, who owns STATE_DIR, may not. Root
 * becomes that user for good; others stay who they are. */
void app_become_service(const struct config *c);

/* The paths that the configuration names for what the service writes: a line to `problems` for each
 * that cannot be written by this user; nothing is made or changed. STATE_DIR is not among them: it
 * may be made later. */
bool app_check_outputs(const struct config *c, FILE *problems);

/* Makes a key file if there is none, as the first start does; checks the one that is there. */
bool app_make_key(const char *path, FILE *problems);
