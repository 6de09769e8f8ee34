/* What the files of the master share. Nobody else includes this. */
#ifndef POOL_MASTER_H
#define POOL_MASTER_H

#include "pool/observe.h"
#include "pool/pool.h"

/* One worker process, as the master sees it. The index is that of its slot on the scoreboard. */
struct child {
    pid_t pid; /* 0: none */
    int64_t started_ms;
    unsigned generation; /* which configuration it runs with */
    bool retiring;       /* told to leave: no longer one of those wanted */
    int64_t kill_ms;     /* when to kill it; 0: not planned */
};

struct generation {
    unsigned number;
    struct config *config; /* NULL: there is none */
    unsigned deaths;       /* workers that died in a row before one was ready */
    bool ready;            /* one has been */
};

struct master {
    const char *config_path;
    const struct pool_timing *timing;
    struct generation now, next; /* next: on trial after a HUP */
    unsigned generations;        /* the last number given */
    struct child children[POOL_SLOTS];
    struct scoreboard *board;
    char *address; /* LISTEN as it was at the start */
    int listener;  /* -1: closed */
    bool owned;
    int wake, signals; /* eventfd and signalfd */

    unsigned target; /* workers wanted of generation now */
    unsigned batch;  /* how many to add next time */
    int64_t grown_ms, surplus_since_ms;
    bool max_warned;

    int backoff_ms; /* 0: workers live as they should */
    int64_t respawn_ms, fast_death_ms;

    bool stopping, reload_again;
    int64_t stop_kill_ms;
    int status; /* exit status */

    struct observer observer;
};

/* children.c */
unsigned children_alive(const struct master *m);                       /* all of them */
unsigned children_wanted(const struct master *m, unsigned generation); /* not the retiring */
bool children_ready(struct master *m, struct generation *g);           /* one is or was */
bool children_spawn(struct master *m, const struct generation *g);
void children_reap(struct master *m);
void children_signal(struct master *m, int signo);
void child_retire(struct master *m, unsigned slot);
void children_watch(struct master *m, int64_t now); /* ends those that are stuck */

/* sizing.c: starts and ends workers until there are as many as there should be. */
void sizing_tick(struct master *m, int64_t now);

/* reload.c */
void reload_start(struct master *m);
void reload_tick(struct master *m);

#endif
