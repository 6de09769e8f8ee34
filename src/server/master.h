/* What the files of the master share: server.c has its main loop. Nobody else includes this. */
#pragma once

#include <sys/stat.h>

#include "base/watchdog.h"
#include "server/daemon.h"
#include "server/listener.h"
#include "server/metrics_export.h"
#include "server/scoreboard.h"

#define WORKER_START_FAILURES_MAX 8 /* workers that die in a row before any was ever ready */
#define STATUS_BYTES_MAX 1024

/* One worker process, as the master sees it. The index is that of its slot on the scoreboard. */
struct worker_process {
    pid_t pid; /* 0: none */
    int64_t started_ms;
    unsigned generation; /* which configuration it runs with */
    bool retiring;       /* told to leave: no longer one of those wanted */
    int64_t kill_ms;     /* when to kill it; 0: not planned */
    int64_t stopped_ms;  /* since when a signal has stopped it; 0: it runs */
};

struct generation {
    unsigned number;
    struct config *config; /* NULL: there is none */
    unsigned deaths;       /* workers that failed in a row before one was ready */
    bool ready;            /* one has been */
    int64_t since_ms;
    /* of those that fail at their start */
    int backoff_ms; /* 0: they come up as they should */
    int64_t respawn_ms, failed_ms;
};

enum helper_kind { STREAM_HOLDER, METRICS_SERVER };
#define HELPERS (METRICS_SERVER + 1)
#define HELPER_PIDS 5

struct helper {
    pid_t pids[HELPER_PIDS]; /* the first serves, the others are leaving; 0: none */
    int64_t start_ms;        /* not started before */
};

/* What was seen at a place of base/watchdog.h. */
struct liveness {
    pid_t pid;
    unsigned signs;
    int silent_ms; /* since it gave another sign of life */
};

/* What has been counted since the start; for requests, those of workers that have gone. */
struct tally {
    uint64_t requests, errors, workers_started, workers_failed, reloads, reloads_refused;
};

struct status_file {
    char *path; /* STATUS_FILE as it was at the start */
    char text[STATUS_BYTES_MAX];
    int64_t due_ms;      /* not written before */
    struct stat written; /* of the file, as it was written; st_ino 0: not yet */
    bool warned;         /* that it cannot be written; until it can */
};

struct master {
    const char *config_path;
    const struct server_timing *timing;
    struct generation now, next; /* next: on trial after a HUP */
    unsigned generations;        /* the last number given */
    struct worker_process workers[WORKER_SLOTS];
    struct scoreboard *board;
    char *address; /* LISTEN as it was at the start */
    int listener;  /* -1: closed */
    enum listener_source source;
    int wake, signals; /* eventfd and signalfd */
    int state;         /* the lock on STATE_DIR; -1: none */

    struct helper helpers[HELPERS];
    int stream_holder_in, stream_holder_out; /* both ends of its channel; they outlive it */

    unsigned target; /* workers wanted of generation now */
    unsigned batch;  /* how many to add next time */
    int64_t grown_ms, surplus_since_ms;
    bool max_warned;

    bool stopping, reload_again;
    int64_t stop_kill_ms;
    int exit_status;

    struct liveness liveness[WATCHDOG_SLOTS];
    int64_t liveness_ms;
    bool orphans; /* somebody was killed, and may have left some behind */

    struct systemd_notify systemd;
    struct tally tally;
    int64_t started_s;
    struct status_file status;
    struct metrics_export metrics;
};

/* ---- workers.c */

unsigned workers_alive(const struct master *m);                       /* all of them */
unsigned workers_wanted(const struct master *m, unsigned generation); /* not the retiring */
bool workers_ready(struct master *m, struct generation *g);           /* one is or was */
bool workers_spawn(struct master *m, const struct generation *g);
void workers_reap(struct master *m);
void workers_signal(struct master *m, int signo);
void worker_retire(struct master *m, unsigned slot);
/* Adds how many workers there are in each state. */
void workers_count(const struct master *m, unsigned by_state[SLOT_STATES]);
void workers_check(struct master *m, int64_t now); /* ends those that are stuck */

/* ---- helpers.c: the processes besides workers. */

bool helpers_open(struct master *m);
void helpers_close(struct master *m);
void helpers_tick(struct master *m, int64_t now); /* starts those that are missing */
void helper_signal(const struct master *m, enum helper_kind kind, int signo);
bool helper_is_alive(const struct master *m, enum helper_kind kind); /* or is still leaving */
bool helper_reaped(struct master *m, pid_t pid, int status);         /* false: it is none */
/* For a new configuration. The old one only sends what slow readers still take. */
void stream_holder_replace(struct master *m);
/* Kills what hangs, and what programs have left behind whose caller was killed. */
void liveness_tick(struct master *m, int64_t now);
void liveness_reaped(struct master *m, pid_t pid, int status); /* any child */
int liveness_silent_ms(const struct master *m, pid_t pid);
/* Tasks and the task watcher: how many there are. Signal 0: they are only counted. */
unsigned others_signal(struct master *m, int signo);

/* ---- status.c */

void status_write(struct master *m, int64_t now); /* when it is due */
void status_remove(const struct status_file *f);

/* ---- generations.c */

/* Starts and ends workers until there are as many as there should be. */
void sizing_tick(struct master *m, int64_t now);
void reload_start(struct master *m);
void reload_tick(struct master *m, int64_t now);
