/* What the master does with the metrics: the counters' memory, lines in CloudWatch's embedded
 * metric format (EMF), and the process that answers GET /metrics. */
#pragma once

#include <sys/types.h>

#include "base/base.h"
#include "base/output.h"
#include "config/config.h"
#include "server/scoreboard.h"

struct metrics_emf;

struct metrics_export {
    struct metrics_emf *emf;
    int64_t emf_ms;              /* when it is due */
    bool emf_warned;             /* METRICS_EMF_FILE could not be written */
    uint64_t lost[OUTPUT_KINDS]; /* lines that have been reported as lost */
    char *address;               /* METRICS_LISTEN as it was at the start; NULL: not listening */
    int listener;                /* valid if there is an address */
};

/* Before the first fork. false: it is logged. */
bool metrics_export_open(struct metrics_export *x, const struct config *config);
/* Does what is due. `workers`: how many there are in each state. */
void metrics_export_tick(struct metrics_export *x, const struct config *config,
                         const unsigned workers[SLOT_STATES], int64_t now);
/* After the last worker. */
void metrics_export_close(struct metrics_export *x, const struct config *config);
