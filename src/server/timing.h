/* How long the master waits for its processes. */
#pragma once

/* Times in milliseconds. */
struct server_timing {
    int tick_ms;          /* the master looks at its workers at least this often */
    int start_ms;         /* a worker that needs longer to come up is killed */
    int stuck_ms;         /* a worker busy with one request for longer is ended (sooner if the
                             request has a limit of its own), */
    int kill_grace_ms;    /* killed, if TERM does not help */
    int stop_ms;          /* after TERM, the same for all workers */
    int drain_ms;         /* a worker told to stop takes waiting connections no longer than this */
    int idle_retire_ms;   /* one spare worker too many for this long is ended */
    int backoff_first_ms; /* a worker that fails at its start delays the next one: by this much, */
    int backoff_max_ms;   /* then by twice as much each time, up to this */
};
#define WORKER_START_S 20
#define WORKER_STUCK_S 180
#define WORKER_IDLE_RETIRE_S 10
#define SERVER_STOP_S 30
