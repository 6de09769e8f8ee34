/* Where lines go: the log, the audit log, metrics. A line goes out whole or is counted as lost. A
 * full disk, a FIFO without a reader and a reader that has stopped cost lines: they neither end a
 * process nor hold it up for longer than OUTPUT_WAIT_MS. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* How long a line waits for a busy reader. After a line that was not taken in this time none waits,
 * until one is taken again. */
#define OUTPUT_WAIT_MS 100

enum output_kind { OUTPUT_LOG, OUTPUT_AUDIT, OUTPUT_METRICS, OUTPUT_KINDS };

struct output {
    enum output_kind kind; /* how its lost lines are counted */
    int fd;                /* does not block, but see output_take_stderr; -1: closed */
    bool is_socket;
    bool may_block; /* poll(2) is asked before each write */
    bool stuck;     /* the last line was lost */
    bool torn;      /* some of it went out: the next one begins with an end of line */
};

/* Opens a file to append to, and makes it if it is not there; FIFOs and devices too. Never waits.
 * ERR_MISCONFIGURED names the path and the reason, which errno has too. */
enum rc output_open(const char *path, enum output_kind kind, struct output *out,
                    struct err *e) MUST_USE;
/* Whether output_open would succeed; makes no file. */
enum rc output_check(const char *path, struct err *e) MUST_USE;
/* Whether a file can be put at this path, in place of one that may be there. */
enum rc output_check_folder(const char *path, struct err *e) MUST_USE;
/* The file has been renamed or removed: a new one is due. */
bool output_moved(const struct output *o, const char *path);
void output_close(struct output *o); /* accepts one that is closed, and leaves stderr open */

/* Writes to stderr without blocking. It is opened again, so that other writers of the same pipe or
 * terminal are not affected. Where the system does not allow that, a pipe becomes non-blocking for
 * all its writers, and a terminal is polled before each line. */
void output_take_stderr(struct output *out);

/* Sets the function that counts lost lines (metrics/metrics.c). There is none at first. */
void output_on_lost(void (*count)(enum output_kind kind));

/* Writes a line, which ends with a newline. false: it is lost, and counted; errno says why. */
bool output_line(struct output *o, const char *line, size_t len);
