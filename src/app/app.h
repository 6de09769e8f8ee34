/* The application: connects the modules and turns one request into one reply. Knows no
 * processes and no sockets. */
#pragma once

#include "config/sites.h"
#include "web/reply.h"
#include "web/request.h"

struct app;
struct catalog;
struct site_set; /* app/site_set.h */

/* Memory that all workers share: to be made before they are forked, and given to each app. NULL:
 * there is no memory. */
struct token_memory; /* idp/token_cache.h */
struct token_memory *app_shared_new(void);
void app_shared_free(struct token_memory *shared); /* NULL is accepted */

/* What its process gives an app. All is borrowed, and may be NULL. */
struct app_options {
    struct catalog *catalog;     /* of the one site; NULL: each site loads its own */
    struct token_memory *shared; /* NULL: none */
    /* Called with true when a call begins that may take long, and with false when it ends. */
    void (*on_call)(void *arg, bool begins);
    void *on_call_arg;
    /* Of its worker: how long the request that it handles may hold it, by the group of its path. */
    _Atomic int *limit_ms;
    /* OPEN_SITES_MAX of them: those (site_of_request) of the sites that are open, 0 for none.
     * Memory that other processes read. */
    _Atomic uint32_t *numbers;
};
/* Opens the store, the key file and the HTTP clients, if there is one site; of several, each when
 * it is first called. Call in a worker, after the fork. The sites are borrowed. */
enum rc app_new(const struct site_set *sites, const struct app_options *options, struct app **out,
                struct err *e) MUST_USE;
void app_free(struct app *app);

/* Which of several sites a request is for, before its body is read. ERR_NOT_FOUND, ERR_MISDIRECTED:
 * none is at its address. */
struct site_of_request {
    uint32_t number;  /* the same in every process and generation; never 0 */
    unsigned workers; /* how many may answer its requests at once: SITE_WORKERS */
};
enum rc app_admit(const struct app *app, const struct request *rq, struct site_of_request *out,
                  struct err *e) MUST_USE;

/* Always fills the reply, and logs the request once. `read` is what reading the request gave: OK,
 * ERR_TOO_LARGE for a body over the limit, ERR_OVERLOADED if the site has too many workers, or what
 * app_admit returned. */
void app_handle(struct app *app, const struct request *rq, enum rc read, struct reply *rp);

/* Reads what has changed until at_ms (real time): the manifest at this path, or any in the
 * directory at it; NULL: any. INT64_MAX: as they are now. */
void app_update(struct app *app, const char *path, int64_t at_ms);

/* Small upkeep between requests, such as sweeping expired sessions. */
void app_upkeep(struct app *app);

/* The process that watches tasks for the stream holder: answers the questions that come at fd
 * (exec/task_notifications.h), until it is closed. */
void app_watch(const struct site_set *sites, int fd);

/* The catalog: tools, resources and prompts of a configuration, which is borrowed. The master reads
 * them before it forks workers, which share the memory of what does not change later. Logs a line
 * for each manifest that is left out. NULL: ENDPOINTS has no use for it. */
struct catalog *app_catalog_load(const struct config *config);
/* Before a worker is forked: makes what each would otherwise make when it first uses it. */
void app_catalog_share(struct catalog *c);
/* As app_update; also ACCESS_FILE may be the path. `quiet`: another process logs what is wrong. */
void app_catalog_update(struct catalog *c, const char *path, int64_t at_ms, bool quiet);
void app_catalog_free(struct catalog *c); /* NULL is accepted */

struct app_checked {
    unsigned left_out;       /* manifests, clients and pages that it would start without */
    struct catalog *catalog; /* as app_catalog_load gives it; the caller's */
};

/* Everything that -t and a reload check beyond the syntax of the configuration, as far as ENDPOINTS
 * uses it: key file, tools, pinned clients. Writes a line per problem; false if the daemon would
 * not start. */
bool app_check(const struct config *config, FILE *problems, struct app_checked *out);

/* The same of each site that is not as in `previous` (NULL: of all). One that would not start is as
 * in `previous` afterwards, or left out. false: the daemon would not start. The catalog is that of
 * the one site; of several there is none. */
bool app_check_sites(struct site_set *s, const struct site_set *previous, FILE *problems,
                     struct app_checked *out);

/* Would this client be allowed to log users in? Fetches its document as /authorize
 * does, and writes what it found. */
bool app_try_client(const struct config *config, const char *client_id, FILE *out);

/* mcp-authd call: calls a tool as a worker would, and prints what comes of it. */
#define CALL_INPUTS_MAX 16
struct call_options {
    const char *tool, *arguments;        /* JSON; NULL: none */
    const char *user, *scopes;           /* NULL: who runs the command; those that the tool needs */
    const char *claims;                  /* JSON: further claims of the token; NULL: none */
    const char *inputs[CALL_INPUTS_MAX]; /* JSON: answers to what the tool asks for */
    unsigned input_count;
    bool json; /* print one line of JSON */
};
enum call_status { /* the exit status */
                   CALL_OK = 0,
                   CALL_TOOL_ERROR = 1, /* the result is an error */
                   CALL_USAGE = 2,      /* the command line or the manifest is wrong */
                   CALL_INPUT_REQUIRED = 3,
                   CALL_REFUSED = 4, /* no result: a client would get an error */
};
int app_call_tool(const struct config *config, const struct call_options *o);

/* mcp-authd new-tool: writes the files of a new tool into a directory. `language` is a word of
 * NEW_TOOL_LANGUAGES. false: it has said why, and wrote nothing. */
#define NEW_TOOL_LANGUAGES "sh python c node"
bool app_new_tool(const char *dir, const char *name, const char *language);

/* For commands: root may write where the service's user, who owns STATE_DIR, may not. Root
 * becomes that user for good; others stay who they are. */
void app_become_service(const struct config *c);

/* The paths that the configuration names for what the service writes: a line to `problems` for each
 * that cannot be written by this user; nothing is made or changed. STATE_DIR is not among them: it
 * may be made later. */
bool app_check_outputs(const struct config *c, FILE *problems);

/* Makes a key file if there is none, as the first start does; checks the one that is there. */
bool app_make_key(const char *path, FILE *problems);
