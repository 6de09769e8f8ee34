/* What the daemon and its runner say to each other: one message that asks for a run, with its
 * descriptors, and one that tells how it ended. Both are of one host and mostly of one program; the
 * version is there for the time of an upgrade. */
#pragma once

#include "base/base.h"

#define RUN_VERSION 2
#define PRIVATE_DIRECTORY_PARENT "/var/tmp" /* where private directories of runs are */
#define RUN_REQUEST_MAX 65536               /* bytes of a message */
#define RUN_ARGS_MAX 128
#define RUN_ENV_MAX 256
#define RUN_PATHS_MAX 64   /* in each list */
#define RUN_SECRETS_MAX 16 /* descriptors behind stdin, stdout and stderr */
#define RUN_FDS_MAX (3 + RUN_SECRETS_MAX)

#define RUN_PROCESSES_DEFAULT 512 /* Node.js and Java start a dozen threads or more each */

/* Of one run. 0: the default. */
struct run_limits {
    int64_t memory;      /* bytes */
    int64_t file_size;   /* bytes of a file that it writes */
    uint32_t processes;  /* and threads, at a time */
    uint32_t cpu_weight; /* 1 to 10000, as cpu.weight of cgroups(7) */
    uint32_t open_files;
    uint32_t unused; /* 0; so that no byte of the message is undefined */
};

/* NULL ends each list; a list that is NULL is empty. */
struct run_request {
    const char *const *argv; /* argv[0]: the absolute path of the program */
    const char *const *envp; /* NAME=value */
    /* Absolute paths, of files or directories with all below them, that it may read (and execute),
     * or read and write. Without them it may read the system's programs and libraries, its own
     * directory and argv[0]. */
    const char *const *read, *const *write;
    const char *dir; /* where it starts; absolute, and readable for it */
    struct run_limits limits;
    bool home;              /* it gets a directory of its own, which HOME and TMPDIR name, and which
                               is removed at the end */
    bool instance_metadata; /* it may connect to the instance metadata addresses */
    unsigned secrets;       /* descriptors that it finds as 3, 4, … */
};

enum run_kind {
    RUN_PROGRAM = 1,
    RUN_STATE = 2,
    RUN_INSTANCES = 3, /* the connection is for the instance pool (instance.h) */
};

/* Where a run failed before its program ran. */
enum run_step {
    RUN_STEP_REQUEST, /* the message is not understood */
    RUN_STEP_FORK,
    RUN_STEP_CGROUP,
    RUN_STEP_HOME,
    RUN_STEP_PATHS, /* a path of read or write */
    RUN_STEP_DESCRIPTORS,
    RUN_STEP_LIMITS,
    RUN_STEP_SYSTEM_CALLS,
    RUN_STEP_DIRECTORY,
    RUN_STEP_EXEC,
};
const char *run_step_text(enum run_step step); /* a phrase for the log */

/* What a client says while it runs. */
enum run_word {
    RUN_SAY_STOP = 's',   /* it is to end: it gets SIGTERM, and PROCESS_GRACE_MS later SIGKILL */
    RUN_SAY_MEMORY = 'm', /* how much does it use? RUN_RUNS answers, before the answer of its end */
};

/* RUN_RUNS: it has not ended. */
enum run_end { RUN_NOT_STARTED = 1, RUN_EXITED, RUN_SIGNALLED, RUN_OUT_OF_MEMORY, RUN_RUNS };

struct run_answer {
    uint32_t version;
    uint32_t end;  /* enum run_end */
    int32_t code;  /* errno, exit status, or signal */
    uint32_t step; /* enum run_step, of RUN_NOT_STARTED */
    int64_t user_us, system_us,
        max_rss_kib; /* getrusage(2): of the program and what it waited for */
    int64_t memory;  /* bytes, of RUN_RUNS */
};

/* What keeps programs apart, and what runs, by the answer to RUN_STATE. */
struct run_state {
    uint32_t version;
    uint32_t pid; /* of the runner */
    int64_t started_s;
    uint64_t runs;                  /* that have begun since then */
    uint32_t running;               /* now */
    uint32_t uid;                   /* that programs have */
    uint32_t landlock;              /* its ABI, landlock(7); 0: none */
    uint32_t cgroups, memory, pids; /* 1: there are cgroups; these controllers are in force */
    uint32_t notify;                /* 1: system calls are decided (seccomp_notify.h) */
};

/* A message of any other kind than RUN_PROGRAM: */
struct run_question {
    uint32_t version, kind;
};

/* Writes the message. 0: it is larger than RUN_REQUEST_MAX, or has more than is allowed. */
size_t run_request_encode(const struct run_request *r, char out[RUN_REQUEST_MAX]);

/* Where a decoded request has its lists. `envp` has room for two more. */
struct run_strings {
    const char *argv[RUN_ARGS_MAX + 1], *envp[RUN_ENV_MAX + 3];
    const char *read[RUN_PATHS_MAX + 1], *write[RUN_PATHS_MAX + 1];
};

/* Reads a message; the strings stay where they are in it. Returns the kind, and fills *out for
 * RUN_PROGRAM. 0: it is not right. */
enum run_kind run_request_decode(const char *message, size_t len, struct run_strings *strings,
                                 struct run_request *out);
