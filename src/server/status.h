/* The status file: what the master knows, as JSON, for `mcp-authd status` and for monitoring. It is
 * written when something has changed, at most once a second, and removed at the end. */
#ifndef SERVER_STATUS_H
#define SERVER_STATUS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#define STATUS_BYTES_MAX 1024

struct status_file {
    char *path; /* STATUS_FILE as it was at the start */
    char text[STATUS_BYTES_MAX];
    int64_t due_ms;      /* not written before */
    struct stat written; /* of the file, as it was written; st_ino 0: not yet */
    bool warned;         /* that it cannot be written; until it can */
};

struct master;

/* By the master. */
void status_write(struct master *m, int64_t now);
void status_remove(const struct status_file *f);

/* Prints what the daemon wrote to its status file. Returns the exit status: 0, 3 if no daemon runs,
 * 1 if the file cannot be read. */
int status_show(const char *path, bool as_json, FILE *out, FILE *errors);

#endif
