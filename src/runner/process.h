/* Runs a program with one text as its input; its output is one text or a stream of lines. Time and
 * size are limited, and no process is left behind. The runner (runner.h) starts it. A persistent
 * program gets the input as a line, and stays for the next call (instance.h). */
#pragma once

#include "base/text.h"
#include "runner/client.h"
#include "runner/instance.h"

#define PROCESS_STDERR_MAX 2048 /* bytes of stderr that are kept; the rest is read and dropped */
#define PROCESS_GRACE_MS 500    /* from SIGTERM to SIGKILL, for a program that is stopped */

struct persistent {
    struct instance_key key;
    const bool *answered; /* set by on_line: this line was the last one of the answer */
    bool once;            /* it is ended after the answer */
    bool taken;           /* `fds` are from instance_take; process_run closes them */
    int fds[INSTANCE_FDS];
};

struct process_spec {
    struct run_request run;
    /* run.secrets descriptors, which the program has as 3, 4, … They stay the caller's. */
    const int *secrets;
    int64_t timeout_ms;
    size_t output_max;
    struct text input; /* with `persistent`, it ends with a newline and has no other */
    /* Called with each line as it comes, without the newline. output_max is then the limit of one
     * line, and the result has no output. NULL: the whole output is in the result. */
    void (*on_line)(void *arg, const char *line, size_t len);
    void *on_line_arg;
    const struct persistent *persistent; /* needs on_line; NULL: it runs once */
    struct waiter waiter;                /* when nobody waits any more, the program is stopped */
};

enum process_end {
    PROCESS_EXITED,        /* code: its status */
    PROCESS_SIGNALLED,     /* code: the signal */
    PROCESS_OUT_OF_MEMORY, /* killed by the kernel: its control group, or one above it, is full */
    PROCESS_TIMED_OUT,     /* stopped */
    PROCESS_OUTPUT_LIMIT,  /* stopped: more output than output_max */
    PROCESS_CANCELLED,     /* stopped: nobody waits for it any more */
    PROCESS_NOT_STARTED,   /* code: errno; step: what failed */
    PROCESS_LOST,          /* killed, since the runner, or its process for this run, has ended */
};

struct process_result {
    enum process_end end;
    int code;
    int64_t timeout_ms; /* that of the process_spec */
    const char *step;
    struct text out, err; /* what it wrote; err has at most PROCESS_STDERR_MAX bytes */
    int64_t ms;
    int64_t cpu_us, max_rss_kib; /* of the program and what it has waited for, if it ended itself */
    bool answered; /* persistent, and it has answered: `end` is PROCESS_EXITED, code 0 */
    bool unread;   /* persistent, and it ended by itself before it read anything of the input */
};

/* When it returns, the program is gone with all that it has started, in whatever group or session;
 * one that is persistent and has answered is not.
 * Nothing of the caller reaches it but what the spec names. The caller ignores SIGPIPE, which a
 * program that has closed its stdin would raise. */
void process_run(struct arena *a, const struct process_spec *spec, struct process_result *out);
/* Starts it and returns: of the spec only `run` and `secrets` are used. The descriptors
 * are the caller's; closing that of INSTANCE_RUN kills the program. false: errno. */
bool process_start(const struct process_spec *spec, int fds[INSTANCE_FDS]);
