/* A file that an admin writes line by line, such as the deny list and the access rules. */
#pragma once

#include "base/base.h"

struct line_file {
    const char *path; /* for messages */
    FILE *problems;
    size_t line_bytes_max, bytes_max; /* with the newline; of the whole file */
    const char *too_long;             /* the message for more */
    unsigned line, bad;               /* the line that is read; how many messages */
};

/* Writes "PATH:LINE: message" to problems, and counts it. Control characters are masked, since a
 * message may repeat text of the file and be shown on a terminal. */
void line_file_bad(struct line_file *f, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Calls read_line for each line, which it may change, without the byte order mark of the first one.
 * Stops at one that is too long. A NUL byte and an error of reading are messages. False: it cannot
 * be opened, and *why and errno say why (file_open). */
bool line_file_read(struct line_file *f, void (*read_line)(void *arg, char *line), void *arg,
                    const char **why) MUST_USE;
