/* What the master does for those who watch: the counters' memory, EMF lines, and the process that
 * answers GET /metrics. master.c calls these and knows nothing else of them. */
#ifndef SERVER_METRICS_EXPORT_H
#define SERVER_METRICS_EXPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "metrics/metrics.h"

struct master;
struct metrics_emf;

struct observer {
    struct metrics_emf *emf;
    int64_t emf_ms;         /* when it is due */
    bool emf_warned;        /* METRICS_EMF_FILE could not be written */
    uint64_t lost[OUTPUT_KINDS]; /* lines that have been reported as lost */
    char *address;          /* METRICS_LISTEN as it was at the start; NULL: not listening */
    int listener;           /* valid if there is an address */
    pid_t server;           /* 0: none */
    int64_t spawn_ms;       /* not before */
};

bool metrics_export_open(struct master *m); /* before the first fork; false: logged */
void metrics_export_tick(struct master *m, int64_t now);
bool metrics_export_reaped(struct master *m, pid_t pid, int status); /* false: not one of these */
void metrics_export_close(struct master *m);                         /* after the last worker */

/* metrics_server.c */
_Noreturn void metrics_server_main(int listener);
#define METRICS_SERVER_SILENT_MS 8000 /* more than an exchange takes */

#endif
