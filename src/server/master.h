/* What the files of the master share. Nobody else includes this. */
#ifndef SERVER_MASTER_H
#define SERVER_MASTER_H

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/watchdog.h"
#include "server/metrics_export.h"
#include "server/server.h"

/* One worker process, as the master sees it. The index is that of its slot on the scoreboard. */
struct child {
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

/* The way to systemd's notification socket. */
struct notify {
    int fd; /* -1: nobody wants to know */
    struct sockaddr_un to;
    socklen_t to_len;
    int64_t watchdog_ms, next_ms; /* how often it wants a sign of life (0: never), and when next */
};

/* What was seen at a place of base/watchdog.h. */
struct watch {
    pid_t pid;
    unsigned signs;
    int silent_ms; /* since it gave another sign of life */
};

/* What has been counted since the start; for requests, those of workers that have gone. */
struct tally {
    uint64_t requests, errors, workers_started, workers_failed, reloads, reloads_refused;
};

#define STATUS_BYTES_MAX 1024
#define PATH_BYTES_MAX 4096
#define STREAM_HOLDERS_LEAVING_MAX 4

struct master {
    const char *config_path;
    const struct pool_timing *timing;
    struct generation now, next; /* next: on trial after a HUP */
    unsigned generations;        /* the last number given */
    struct child children[POOL_SLOTS];
    struct scoreboard *board;
    char *address; /* LISTEN as it was at the start */
    int listener;  /* -1: closed */
    enum listener_source source;
    int wake, signals; /* eventfd and signalfd */
    int state;         /* the lock on STATE_DIR; -1: none */

    pid_t keeper;                            /* 0: none */
    int stream_holder_in, stream_holder_out; /* both ends of the way to it; they outlive it */
    int64_t stream_holder_ms;                /* when to start it again */
    pid_t stream_holders_leaving[STREAM_HOLDERS_LEAVING_MAX]; /* they only send what slow readers
                                                                 still take */

    unsigned target; /* workers wanted of generation now */
    unsigned batch;  /* how many to add next time */
    int64_t grown_ms, surplus_since_ms;
    bool max_warned;

    bool stopping, reload_again;
    int64_t stop_kill_ms;
    int status; /* exit status */

    struct watch watches[WATCHDOG_PLACES];
    int64_t watched_ms;
    bool orphans; /* somebody was killed, and may have left some behind */

    struct notify notify;
    struct tally tally;
    char *status_path; /* STATUS_FILE as it was at the start */
    char status_text[STATUS_BYTES_MAX];
    int64_t started_s, status_ms;
    struct stat status_stat; /* of the file, as it was written; st_ino 0: not yet */
    bool status_warned;
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
/* Adds how many workers there are in each state. */
void children_count(const struct master *m, unsigned by_state[SLOT_LEAVING + 1]);
void children_watch(struct master *m, int64_t now); /* ends those that are stuck */

/* keepers.c: starts the keeper when it is missing; ends it, for a new configuration or for good. */
bool stream_holder_open(struct master *m);
void stream_holder_tick(struct master *m, int64_t now);
void stream_holder_signal(struct master *m, int signo);
void stream_holder_replace(struct master *m); /* for a new configuration */
unsigned stream_holders_alive(const struct master *m);
bool stream_holder_is(struct master *m, pid_t pid); /* one of them */
void stream_holders_kill(struct master *m);
bool stream_holder_reaped(struct master *m, pid_t pid, int status);

/* watch.c: the processes besides workers: kills those that hang, and what programs have left behind
 * whose caller was killed. */
void watch_tick(struct master *m, int64_t now);
void watch_reaped(struct master *m, pid_t pid, int status); /* any child */
int watch_silent_ms(const struct master *m, pid_t pid);
/* Those that are neither the keeper nor who answers GET /metrics: tasks, their watcher. */
unsigned watch_others(struct master *m);
void watch_signal(struct master *m, int signo);
void watch_end(void); /* the last step */

/* sizing.c: starts and ends workers until there are as many as there should be. */
void sizing_tick(struct master *m, int64_t now);

/* reload.c */
void reload_start(struct master *m);
void reload_tick(struct master *m, int64_t now);

/* notify.c */
void notify_open(
    struct notify *n); /* takes NOTIFY_SOCKET and WATCHDOG_USEC out of the environment */
void notify_close(struct notify *n);
void notify_send(const struct notify *n, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void notify_reloading(const struct notify *n);
void notify_watchdog(struct notify *n, int64_t now); /* when it is due */

/* state_lock.c: what holds STATE_DIR until it is given back, or until this process ends. */
enum rc state_lock(const struct config *config, int *fd, struct err *e) MUST_USE;
void state_unlock(int *fd);

/* status.c */
void status_write(struct master *m, int64_t now);
void status_remove(const struct master *m);

#endif
