/* The processes of the daemon: a master that binds, forks, reaps and respawns, workers that serve
 * one request at a time, the stream holder, and the metrics server. No threads.
 *
 *     server.c                 the master's main loop
 *     master.h                 what the files of the master share: workers.c, generations.c,
 *                              children.c, listener.c, status.c; metrics_export.c, which also has
 *                              the process that answers GET /metrics
 *     daemon.c                 used by the master alone
 *     scoreboard.c             memory that master and workers share
 *     worker.c                 a worker
 *     stream_holder.c          the process that holds idle streams: streams.c,
 *                              parked_calls.c, task_subscriptions.c, folder_watch.c
 *     stream_channel.c         what workers send to it
 *     manifest_changes.c       what it tells master and workers */
#pragma once

#include "app/site_set.h"

/* How long the master waits for its processes, in milliseconds. */
struct server_timing {
    int tick_ms;          /* the master checks its workers at least this often */
    int start_ms;         /* a worker that is not ready after this time is killed */
    int stuck_ms;         /* a worker busy with one request for longer is ended (sooner if the
                             request has a limit of its own), */
    int kill_grace_ms;    /* killed, if TERM does not help */
    int stop_ms;          /* after TERM, the same for all workers */
    int drain_ms;         /* a worker that stops serves the queue no longer than this */
    int idle_retire_ms;   /* a surplus worker is ended after this time */
    int backoff_first_ms; /* a worker that fails at its start delays the next one: by this much, */
    int backoff_max_ms;   /* then by twice as much each time, up to this */
};
#define WORKER_START_S 20
#define WORKER_STUCK_S 180
#define WORKER_IDLE_RETIRE_S 10
#define SERVER_STOP_S 30

/* Runs until TERM or INT; returns the exit status: 0, or 1 if it could not start. config_path is
 * read again on HUP. Takes over `sites`. `timing`: NULL: the built-in times; tests have others. */
int server_run(const char *config_path, struct site_set *sites, const struct server_timing *timing);
