/* Where lines go: the log, the audit log, metrics. A line goes out whole or is counted as lost. A
 * file that fills up, a FIFO without a reader, and one that nobody reads are
 * an error of a line: they neither end a process nor keep it for longer than OUTPUT_WAIT_MS. */
#ifndef BASE_OUTPUT_H
#define BASE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"

/* A reader that is only busy is waited for so long; after one line that it did not take in that
 * time, not at all until it takes one again. */
#define OUTPUT_WAIT_MS 100

enum output_kind { OUTPUT_LOG, OUTPUT_AUDIT, OUTPUT_METRICS, OUTPUT_KINDS };

struct output {
    enum output_kind kind; /* as which its lost lines are counted */
    int fd;                /* does not block, but as output_log_open says; -1: closed */
    bool is_socket;
    bool may_block; /* it is asked first whether it has room */
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

/* stderr, which the process was started with. What others write to the same pipe or terminal is
 * left as it was: it is opened again for us. Where the system does not let us, a pipe becomes one
 * that does not block for all its writers, and a terminal is asked before each line. */
void output_take_stderr(struct output *out);

/* What counts the lines that are lost (metrics/metrics.c); NULL, as at start: nothing does. */
void output_on_lost(void (*count)(enum output_kind kind));

/* Writes a line, which ends with a newline. false: it is lost, and counted; errno says why. */
bool output_line(struct output *o, const char *line, size_t len);

#endif
