/* The pool's table of contents: a master that binds, forks, reaps and respawns, and workers that
 * serve one request at a time. No threads. Knows no OAuth. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/err.h"
#include "config/config.h"

/* Times of the pool, in milliseconds. */
struct pool_timing {
    int tick_ms;          /* the master looks at its workers at least this often */
    int start_ms;         /* a worker that needs longer to come up is killed */
    int stuck_ms;         /* a worker busy with one request for longer is ended (sooner if the
                             request has a limit of its own), */
    int kill_grace_ms;    /* killed, if asking does not help */
    int stop_ms;          /* after TERM, the same for all workers */
    int drain_ms;         /* a worker told to stop takes waiting connections no longer than this */
    int idle_retire_ms;   /* one spare worker too many for this long is ended */
    int backoff_first_ms; /* a worker that fails at its start delays the next one: by this much, */
    int backoff_max_ms;   /* then by twice as much each time, up to this */
};
#define WORKER_START_S 20
#define WORKER_STUCK_S 180
#define POOL_STOP_S 30
#define POOL_IDLE_RETIRE_S 10
#define POOL_START_FAILURES_MAX 8 /* workers that die in a row before any was ever ready */

/* master.c: runs until TERM or INT; returns the exit status: 0, or 1 if it could not start.
 * config_path is read again on HUP. Takes over `config`. */
int pool_run(const char *config_path, struct config *config);
/* The same with other times than the built-in ones, for tests. */
int pool_run_timed(const char *config_path, struct config *config,
                   const struct pool_timing *timing);

/* listener.c: the listening socket, in this order: from systemd (LISTEN_FDS), descriptor 0 if it is
 * a listening socket (as lighttpd's bin-path and spawn-fcgi do), else `address`: a path of a Unix
 * socket, or IP:PORT. Refuses to take a path where somebody answers. */
enum listener_source {
    LISTENER_BOUND,     /* here */
    LISTENER_INHERITED, /* as descriptor 0; whether anybody else holds it is not known */
    LISTENER_SYSTEMD,   /* which keeps it, and what waits in its queue, for who comes after us */
};
enum rc listener_open(const char *address, int *fd, enum listener_source *source,
                      struct err *e) MUST_USE;
/* Turns new connections to a Unix socket that was bound here away, and removes its path; then
 * closes fd. Those that wait in its queue are still there for the workers, who hold it too. */
void listener_close(const char *address, int fd, enum listener_source source);

/* worker.c: serves until it is told to stop; never returns. Started with all signals blocked; it
 * takes them between requests only:
 *   TERM  answers what it has and what is waiting at the listener, and leaves
 *   QUIT  answers what it has, and leaves
 * When the master has ended it closes the listener at once, answers what it has, and leaves. */
struct worker_args {
    const struct config *config;
    int listener;
    int keeper;      /* where streams are handed to */
    int wake_master; /* eventfd: written when ready, and when no idle worker is left */
    struct scoreboard *board;
    unsigned slot;
    pid_t master;
    int drain_ms;
};
_Noreturn void worker_main(const struct worker_args *args);
#define WORKER_MASTER_ENDED SIGRTMIN /* the death signal that a worker must be started with */
#define WORKER_EXIT_START 3          /* exit status of a worker that could not start */

/* stream_holder.c: one process that holds the streams that workers have begun and handed over, so
 * that an idle stream costs no worker. It watches the directories of manifests and the files that
 * streams wait for. Never returns; TERM ends it, and its streams in good order. */
_Noreturn void stream_holder_main(const struct config *config, struct scoreboard *board, int inbox,
                                  pid_t master);
#define STREAM_HOLDER_SILENT_MS 5000 /* it hangs if it gives no sign of life for so long */
/* Hands a connection over; what is first is sent when the keeper watches. Without one (NULL), what
 * streams of the same key wait for is replaced. The descriptor stays the caller's. False, with
 * errno: the keeper took nothing for STREAM_HOLDER_TAKES_MS. */
#define STREAM_HOLDER_TAKES_MS 1000
struct buf;
struct fcgi_given;
bool stream_holder_hand_over(int outbox, const struct fcgi_given *given, int64_t until_s,
                             const struct buf *what);
/* A stream that nobody can keep begins and ends in good order, at once. The descriptor stays the
 * caller's. */
void stream_end_at_once(const struct fcgi_given *given, const char *what, size_t len);
/* The same for the rest of a reply: connection and file stay the caller's. */
struct fcgi_rest;
bool stream_holder_give_rest(int outbox, const struct fcgi_rest *rest);

/* status.c: prints what the daemon wrote to its status file. Returns the exit status: 0, 3 if no
 * daemon runs, 1 if the file cannot be read. */
int status_show(const char *path, bool as_json, FILE *out, FILE *errors);

/* scoreboard.c: memory that master and workers share, a cache line a worker. Only the worker writes
 * to its slot, and the master before it has one and after it has gone. What the master must be able
 * to trust, such as process ids, is not in here. */
#define POOL_WORKERS_MAX 256
#define POOL_SLOTS (2 * POOL_WORKERS_MAX) /* on a reload two generations overlap */
enum slot_state { SLOT_FREE, SLOT_STARTING, SLOT_IDLE, SLOT_BUSY, SLOT_LEAVING };
struct slot {
    _Alignas(64) _Atomic int state;
    _Atomic bool ready;                /* it has come as far as waiting for a connection */
    _Atomic int64_t busy_since_ms;     /* monotonic; also starting and leaving; 0: idle */
    _Atomic int limit_ms;              /* of the request it is busy with; 0: stuck_ms alone */
    _Atomic uint64_t requests, errors; /* errors: answered with 500 or above */
};
struct scoreboard {
    _Atomic bool can_grow;       /* written by the master: more workers may be started */
    _Atomic unsigned slots_used; /* written by the master: no slot from here on was ever used */
    _Atomic unsigned streams;    /* written by the keeper: how many it holds */
    _Atomic unsigned catalog;    /* counts changes of what workers have read from directories */
    struct slot slots[POOL_SLOTS];
};
struct scoreboard *scoreboard_new(void); /* shared with children forked afterwards; NULL: errno */
void scoreboard_free(struct scoreboard *board);
void slot_set(struct slot *slot, enum slot_state state);
/* No worker is idle or about to be. */
bool scoreboard_is_full(const struct scoreboard *board);

#endif
