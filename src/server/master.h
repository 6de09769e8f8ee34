/* What the files of the master share: server.c has its main loop. Nobody else includes this. */
#pragma once

#include <sys/stat.h>

#include "app/site_set.h"
#include "base/output.h"
#include "base/watchdog.h"
#include "server/daemon.h"
#include "server/scoreboard.h"

#define WORKER_START_FAILURES_MAX 8 /* workers that end in a row before any was ever ready */
#define STATUS_BYTES_MAX 1024
#define METRICS_SERVER_SILENT_MS 8000 /* it hangs if it sends no heartbeat for so long */

enum listener_source {
    LISTENER_BOUND,     /* here */
    LISTENER_INHERITED, /* as descriptor 0; another process may hold it too */
    LISTENER_SYSTEMD,   /* which keeps it, with the connections in its queue, for the next daemon */
};

/* One worker process, as the master sees it. The index is that of its slot on the scoreboard. */
struct worker_process {
    pid_t pid; /* 0: none */
    int64_t started_ms;
    unsigned generation; /* of its configuration */
    bool retiring;       /* it has been sent a signal to leave, and no longer counts as wanted */
    int64_t kill_ms;     /* when to kill it; 0: not planned */
    int64_t stopped_ms;  /* since when a signal has stopped it; 0: it runs */
};

struct generation {
    unsigned number;
    struct site_set *sites;      /* NULL: there is none */
    const struct config *config; /* of the host; NULL as well */
    struct catalog *catalog;     /* of the one site, that its workers are forked with */
    unsigned manifests_seen;     /* changes of manifests that are in it */
    time_t manifests_s;          /* before they were read: real time */
    unsigned deaths;             /* workers that failed in a row before one was ready */
    bool ready;                  /* one has been */
    int64_t since_ms;
    int backoff_ms;     /* delay after a worker that failed at its start; 0: the last one started */
    int64_t respawn_ms; /* no worker is started before */
    int64_t failed_ms;  /* when the last one failed at its start */
};

enum child_kind { STREAM_HOLDER, METRICS_SERVER, RUNNER };
#define CHILD_KINDS (RUNNER + 1)
#define CHILD_PIDS 5

struct child {
    pid_t pids[CHILD_PIDS]; /* the first serves, the others are leaving; 0: none */
    int64_t start_ms;       /* not started before */
};

/* What the master last read from a slot of base/watchdog.h. */
struct heartbeat {
    pid_t pid;
    unsigned count;
    int silent_ms; /* since it was incremented */
};

/* What has been counted since the start; for requests, those of workers that have ended. */
struct tally {
    uint64_t requests, errors, workers_started, workers_failed, reloads, reloads_refused;
};

struct status_file {
    char *path;
    char *text;          /* what it has; NULL: it was not written */
    struct stat written; /* of the file, as it was written; st_ino 0: not yet */
    bool warned;         /* that it cannot be written; until it can */
};

struct metrics_export {
    uint64_t *emf;               /* the values last written for CloudWatch */
    int64_t emf_ms;              /* when it is due */
    bool emf_warned;             /* METRICS_EMF_FILE could not be written */
    uint64_t lost[OUTPUT_KINDS]; /* lines that have been reported as lost */
    char *address;               /* METRICS_LISTEN as it was at the start; NULL: not listening */
    int listener;                /* valid if there is an address */
};

struct master {
    const char *config_path;
    const struct server_timing *timing;
    struct generation now, next; /* next: of a reload in progress */
    unsigned generations;        /* the last number given */
    struct worker_process workers[WORKER_SLOTS];
    struct scoreboard *board;
    struct token_memory *shared; /* of all generations of workers */
    char *address;               /* LISTEN as it was at the start */
    int listener;                /* -1: closed */
    enum listener_source source;
    int wake, signals; /* eventfd and signalfd */
    int state;         /* the lock on STATE_DIR; -1: none */

    struct child children[CHILD_KINDS];
    int stream_holder_in, stream_holder_out; /* both ends of the channel to the stream holders */
    int runner_listener;       /* of all runners, one after the other; -1: the master starts none */
    int runner_connector;      /* by which processes reach it (runner.h); -1: it has a path */
    char *run_user;            /* RUN_USER as it was at the start */
    int resume_in, resume_out; /* of the channel by which these give parked calls to workers */

    unsigned target; /* workers wanted of generation now */
    unsigned batch;  /* how many to add next time */
    int64_t grown_ms, surplus_since_ms;
    bool max_warned;

    bool stopping, reload_again;
    int64_t stop_kill_ms;
    int exit_status;

    struct heartbeat heartbeats[WATCHDOG_SLOTS];
    int64_t heartbeats_ms; /* when they were last checked */
    bool orphans;          /* a process was killed, and may have left orphans */

    struct systemd_notify systemd;
    struct tally tally;
    int64_t started_s;
    struct status_file status;      /* STATUS_FILE as it was at the start */
    struct status_file site_status; /* of several sites, beside it: STATUS_FILE.sites */
    int64_t status_due_ms;          /* neither is written before */
    struct metrics_export metrics;
};

/* ---- workers.c */

unsigned workers_running(const struct master *m);                     /* of all generations */
unsigned workers_wanted(const struct master *m, unsigned generation); /* not the retiring */
bool worker_is_wanted(const struct master *m, unsigned slot, unsigned generation);
/* Is there a worker of the generation that was started since then and has become ready? */
bool workers_have_started(const struct master *m, unsigned generation, int64_t since_ms);
bool workers_ready(struct master *m, struct generation *g); /* one is or was */
bool workers_spawn(struct master *m, const struct generation *g);
void workers_reap(struct master *m);
void workers_signal(struct master *m, int signo);
void worker_retire(struct master *m, unsigned slot);
/* Adds how many workers there are in each state. */
void workers_count(const struct master *m, unsigned by_state[SLOT_STATES]);
void workers_check(struct master *m, int64_t now); /* ends those that are stuck */

/* ---- children.c: the processes besides workers. */

bool children_open(struct master *m);
void children_close(struct master *m);
void children_tick(struct master *m, int64_t now); /* starts those that are missing */
/* The same for one kind: the runner is needed until the last worker has gone. */
void child_tick(struct master *m, enum child_kind kind, int64_t now);
/* From now on this process and its children start programs by the runner at RUNNER_SOCKET, or by
 * one of the master's own. false: errno. */
bool runner_open(struct master *m);
/* Returns how many processes of this kind there are, with those that are leaving. Signal 0: they
 * are only counted. */
unsigned child_signal(const struct master *m, enum child_kind kind, int signo);
/* The same for adopted processes, which are tasks and the task watcher. */
unsigned adopted_signal(struct master *m, int signo);
/* After any child has ended. false: the master did not start it. */
bool child_reaped(struct master *m, pid_t pid, int status);
/* For a new configuration. The old one only sends what slow readers still take. */
void stream_holder_replace(struct master *m);
/* Kills processes that hang, and orphans of programs. */
void heartbeats_check(struct master *m, int64_t now);
int heartbeat_silent_ms(const struct master *m, pid_t pid);

/* ---- status.c */

void status_open(struct master *m, const char *path); /* STATUS_FILE */
void status_write(struct master *m, int64_t now);     /* when it is due */
void status_remove(const struct master *m);           /* the files */
void status_close(struct master *m);

/* ---- metrics_export.c */

bool metrics_export_open(struct master *m); /* before the first fork; false: it is logged */
void metrics_export_tick(struct master *m, int64_t now);
void metrics_export_close(struct master *m); /* after the last worker */
_Noreturn void metrics_server_main(int listener);

/* ---- generations.c */

void generation_free(struct generation *g); /* what it has */
/* Gives its sites their numbers among the metrics. */
void generation_name_sites(struct generation *g);
/* Starts and ends workers until there are as many as there should be. */
void sizing_tick(struct master *m, int64_t now);
void reload_start(struct master *m);
void reload_tick(struct master *m, int64_t now);

/* ---- listener.c: the listening socket, from the first of: systemd (LISTEN_FDS), descriptor 0 if
 * it is a listening socket (as lighttpd's bin-path and spawn-fcgi do), and `address`: the path of a
 * Unix socket, or IP:PORT. */

/* Fails if another process answers at the path. `key` is the address's in the configuration. */
enum rc listener_open(const char *key, const char *address, int *fd, enum listener_source *source,
                      struct err *e) MUST_USE;
/* Removes the path of a Unix socket that was bound here, so that new connections are refused; then
 * closes fd. Connections in its queue remain for the workers, who hold it too. */
void listener_close(const char *address, int fd, enum listener_source source);
