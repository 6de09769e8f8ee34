/* Instances: programs that stay after they have answered, for the next call (run.persistent of
 * docs/tools.md). Who runs a call takes an idle instance, or starts a program, and gives it back
 * afterwards: its pipes and the connection on which the runner says that it has ended. In between
 * nobody else has them, so if the taker ends, the connection is closed and the runner kills the
 * program. The runner's instance pool (instance_pool.c) has the idle ones. What is given back goes
 * into its queue, a socket that all takers have: the next one takes it from there, and the pool
 * takes in what nobody has taken for a moment. */
#pragma once

#include "base/base.h"

#define INSTANCE_VERSION 5
#define INSTANCES_MAX 512 /* that are idle; of more, the one that was idle longest is ended */
#define INSTANCE_ID_LEN 32
#define INSTANCE_NAME_MAX 160
#define INSTANCE_SITE_MAX 256 /* bytes of what names a site */

/* Of MCP, that a server is asked for: those with a handshake (2025-11-25 and older), or the one
 * without (2026-07-28); and the others if it refuses those that come first. */
enum instance_revisions {
    REVISIONS_HANDSHAKE_FIRST,
    REVISIONS_STATELESS_FIRST,
    REVISIONS_HANDSHAKE,
    REVISIONS_STATELESS,
};

enum { INSTANCE_IN, INSTANCE_OUT, INSTANCE_ERR, INSTANCE_RUN, INSTANCE_FDS };

/* Which instances may answer a call. No byte of it is undefined: it is sent. */
struct instance_key {
    uint8_t id[INSTANCE_ID_LEN]; /* whose instances they are: of which manifest, of which user */
    /* The same whoever the user is. Of a server there are at most instances_max of it; 0: as many
     * as there are. */
    uint8_t group[INSTANCE_ID_LEN];
    uint32_t instances_max;
    uint8_t revision[INSTANCE_ID_LEN]; /* what is started: idle ones of another one are ended */
    uint32_t idle_s;                   /* after which one that is not needed is ended */
    uint32_t start_s;                  /* of a server: for its initialization */
    uint32_t call_ms;                  /* of a server: for a call */
    uint32_t revisions;                /* of a server: enum instance_revisions */
    char name[INSTANCE_NAME_MAX];      /* for the log */
    char site[INSTANCE_SITE_MAX];      /* of a server: its site's STATE_DIR */
};

enum instance_request_kind {
    INSTANCE_TAKE = 1,
    INSTANCE_GIVE, /* also in the queue */
    /* Of servers, which many callers have at the same time (relay.h): */
    INSTANCE_CALL,    /* a connection to the server */
    INSTANCE_START,   /* the caller has started it */
    INSTANCE_SERVICE, /* a file with the bytes of SERVER_SERVICE (relay.h), for all instances */
    INSTANCE_STATE,   /* call_ms of the key is a server's number: what is known of it */
};

enum instance_found {
    INSTANCE_NONE, /* the caller may start it */
    INSTANCE_FOUND,
    INSTANCE_STARTING, /* another one starts it: ask again after wait_ms */
    INSTANCE_BACK_OFF, /* it has failed, and is started again in wait_ms; 0: nobody was asked */
};

struct instance_request {
    uint32_t version, kind;
    struct instance_key key;
};

/* Whoever connects is given INSTANCE_FOUND first, with both ends of the queue. */
enum { QUEUE_OUT, QUEUE_IN, INSTANCE_QUEUE_FDS };

struct instance_answer {
    uint32_t version;
    uint32_t found;   /* enum instance_found */
    uint32_t wait_ms; /* of a server */
};

/* What is known of an MCP server, all its instances together, since the runner began. */
#define SERVER_WHY_MAX 200
struct server_state {
    char name[INSTANCE_NAME_MAX], site[INSTANCE_SITE_MAX];
    uint32_t instances;             /* that run */
    uint32_t calls_now;             /* that wait for it */
    int64_t up_since_s;             /* the one that began last; 0: none has */
    uint64_t starts, calls, errors; /* errors: of JSON-RPC, and calls that were open at its end */
    int64_t memory;                 /* bytes, a few seconds ago; 0: it is not known */
    int64_t failed_s;               /* when it last ended by itself, or did not start; 0: never */
    char why[SERVER_WHY_MAX];
};

/* instance_client.c: the daemon's side. */

/* The server with this number, from 0. false: there are no more, or the runner does not answer. */
bool instance_server_state(uint32_t number, struct server_state *out);

/* Takes an idle instance, which has not ended. false: there is none. The descriptors are the
 * caller's. */
bool instance_take(const struct instance_key *key, int fds[INSTANCE_FDS]);
/* Gives it back, or gives one that the caller has started. It must wait for its next line, and what
 * it has printed must have been read. false: it cannot be kept. The descriptors stay the caller's,
 * who then closes them. */
bool instance_give(const struct instance_key *key, const int fds[INSTANCE_FDS]);

/* The next one of the queue, which anybody may have given. false: it is empty. */
bool instance_queue_take(int queue, struct instance_request *out, int fds[INSTANCE_FDS]);

/* A server. With INSTANCE_FOUND, *fd is a connection that the caller closes. */
enum instance_found instance_call(const struct instance_key *key, int *fd, uint32_t *wait_ms);
/* Gives the relay what the caller has started. The descriptors stay the caller's. */
bool instance_start(const struct instance_key *key, const int fds[INSTANCE_FDS]);
/* For what all instances of the server send by themselves from now on; none is started. The file
 * stays the caller's. */
bool instance_renew_service(const struct instance_key *key, int file);

/* instance_pool.c: the process that has the idle ones, and what it has from the runner, which
 * outlives it. It ends when nobody is connected any more. */
struct instance_sockets {
    int connections; /* where supervisors send those of who asks for instances */
    int queue[INSTANCE_QUEUE_FDS];
};
_Noreturn void instance_pool_main(const struct instance_sockets *s);
