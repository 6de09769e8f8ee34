/* Runs a program with one text as its input; its output is one text or a stream of lines. Time and
 * size are limited, and no process is left behind. */
#pragma once

#include "base/base.h"
#include "base/text.h"

#define PROCESS_STDERR_MAX 2048 /* bytes of stderr that are kept; the rest is read and dropped */
#define PROCESS_GRACE_MS 500    /* from SIGTERM to SIGKILL, for a program that is stopped */

struct process_spec {
    const char *const *argv; /* argv[0] is the path of the program */
    const char *const *envp; /* the whole environment */
    const char *dir;         /* working directory */
    int64_t timeout_ms;
    size_t output_max;
    struct text input;
    /* Called with each line as it comes, without the newline. output_max is then the limit of one
     * line, and the result has no output. NULL: the whole output is in the result. */
    void (*line)(void *arg, const char *line, size_t len);
    void *arg;
    /* A descriptor that becomes readable when nobody waits for the program any more, or -1. Read
     * before each wait, since a line may change it. */
    const int *watch;
    /* Called before each wait, which is no longer than what it returns, in ms; -1: nobody waits for
     * the program any more. NULL: there is nothing to do in between. */
    int (*tick)(void *arg);
    void *tick_arg;
    /* Called when `watch` is readable: should the program be stopped? False: it runs on. NULL: it
     * is stopped. */
    bool (*confirm)(void *arg);
    void *confirm_arg;
};

enum process_end {
    PROCESS_EXITED,      /* code: its status */
    PROCESS_SIGNALLED,   /* code: the signal */
    PROCESS_TIMED_OUT,   /* stopped */
    PROCESS_TOO_MUCH,    /* stopped: more output than output_max */
    PROCESS_CANCELLED,   /* stopped: nobody waits for it any more */
    PROCESS_NOT_STARTED, /* code: errno */
};

struct process_result {
    enum process_end end;
    int code;
    int64_t timeout_ms;   /* that of the process_spec */
    struct text out, err; /* what it wrote; err has at most PROCESS_STDERR_MAX bytes */
    int64_t ms;
};

/* When it returns, the program is gone with all that it has started, in whatever group or session.
 * The caller's signal mask, handlers and descriptors do not reach the program. */
void process_run(struct arena *a, const struct process_spec *spec, struct process_result *out);
