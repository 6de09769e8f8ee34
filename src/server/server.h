/* The processes of the daemon: a master that binds, forks, reaps and respawns, workers that serve
 * one request at a time, the stream holder, and the metrics server. No threads.
 *
 *     server.c                 the master's main loop
 *     master.h                 what the files of the master share: workers.c, sizing.c, reload.c,
 *                              liveness.c, stream_holders.c, status.c
 *     status_show.c            what `mcp-authd status` prints of the status file
 *     listener.c, state_lock.c, systemd_notify.c, metrics_export.c      used by the master alone
 *     scoreboard.c             memory that master and workers share
 *     worker.c                 a worker
 *     stream_holder.c          the process that holds idle streams: streams.c, unsent.c,
 *                              folder_watch.c, stream_holder_tasks.c, task_subscriptions.c
 *     stream_channel.c         what workers send to it
 *     metrics_server.c         the process that answers GET /metrics */
#pragma once

#include "config/config.h"
#include "server/timing.h"

/* Runs until TERM or INT; returns the exit status: 0, or 1 if it could not start. config_path is
 * read again on HUP. Takes over `config`. */
int server_run(const char *config_path, struct config *config);
/* The same with other times than the built-in ones, for tests. */
int server_run_timed(const char *config_path, struct config *config,
                     const struct server_timing *timing);
