/* What a handler is: a function of a context and a request that fills a reply. It knows no FastCGI,
 * no sockets, no process; a unit test can call it. */
#ifndef WEB_HANDLER_H
#define WEB_HANDLER_H

#include "base/clock.h"
#include "base/err.h"
#include "web/reply.h"
#include "web/request.h"

struct config;
struct store;
struct task_store;
struct host_cache;
struct host_slots;
struct host_gate;
struct http_client;
struct keyset;
struct token_cache;
struct seal_keys;
struct tool_set;
struct resource_set;
struct prompt_set;
struct client_set;
struct page_set;
struct deny_list;
struct rate_limits;
struct revoked;

/* Everything a handler may use. Nothing else is global, so that one daemon can serve many sites.
 * Made once per worker, after the fork, by app_new. */
struct context {
    const struct config *config;
    struct store *store;                  /* login sessions */
    struct task_store *tasks;             /* records of tasks; NULL: there are none */
    struct host_cache *host;              /* what the workers of this host share */
    struct host_slots *document_slots;    /* who of them may wait for a client document */
    struct http_client *http;             /* to Cognito */
    struct host_gate *idp_gate;           /* who of them may wait for its token endpoint */
    struct http_client *guarded;          /* to client document hosts, never to private addresses */
    struct keyset *keyset;                /* Cognito's signing keys */
    struct token_cache *tokens;           /* verified access tokens */
    const struct seal_keys *seal;         /* keys of everything that leaves us sealed */
    const struct tool_set *tools;         /* tools.d and the built-in ones */
    const struct resource_set *resources; /* resources.d */
    const struct prompt_set *prompts;     /* prompts.d */
    const struct client_set *clients;     /* clients.d */
    const struct page_set *pages;         /* templates; NULL: ours */
    const struct deny_list *deny;         /* DENY_FILE; NULL: nobody */
    struct rate_limits *limits;           /* how often what may happen; NULL: there are none */
    struct revoked *revoked;              /* access tokens that were; NULL: none can be */
    struct clock clock;
};

/* Returns OK with the reply filled, or an error that the dispatcher turns into a reply in the
 * form of the route. */
typedef enum rc handler_fn(struct context *cx, const struct request *rq, struct reply *rp,
                           struct err *e);

#endif
