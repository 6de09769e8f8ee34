/* Private part of master.h: the processes besides workers, which are the stream holder, the metrics
 * server, and those that workers and the stream holder have started, which the master has adopted
 * (runner/child.h). */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/base.h"
#include "base/watchdog.h"
#include "runner/child.h"
#include "server/master.h"

#define END_MS 1000 /* for what programs have left behind, when all else has ended */

/* Of the i-th place of base/watchdog.h; 0: it is free. */
static pid_t pid_at(unsigned i) {
    return watchdog_slot(i)->pid;
}

/* Kills a process that has given no sign of life for too long. What was seen of another process at
 * the same place does not count. */
static void check(struct master *m, unsigned i, int elapsed_ms) {
    const struct watchdog_slot *p = watchdog_slot(i);
    struct liveness *w = &m->liveness[i];
    unsigned signs = p->heartbeats;

    w->silent_ms = w->pid == p->pid && w->signs == signs ? w->silent_ms + elapsed_ms : 0;
    w->pid = p->pid;
    w->signs = signs;
    if (w->silent_ms <= p->limit_ms || !p->limit_ms)
        return;
    log_error("process_stuck", kvn("process", w->pid), kvn("silent_ms", w->silent_ms),
              kv("what", stream_holder_is(m, w->pid)   ? "stream holder"
                         : w->pid == m->metrics.server ? "metrics server"
                                                       : "task or task watcher"),
              kv("hint", "it is killed"));
    kill(w->pid, SIGKILL);
    w->silent_ms = 0;
}

/* If the master itself did not run for a while, that counts as one tick at most. */
void liveness_tick(struct master *m, int64_t now) {
    int64_t elapsed = now - m->liveness_ms;

    m->liveness_ms = now;
    if (elapsed > m->timing->tick_ms)
        elapsed = m->timing->tick_ms;
    for (unsigned i = 0; i < WATCHDOG_SLOTS; i++)
        if (pid_at(i))
            check(m, i, (int)elapsed);
    if (m->orphans)
        m->orphans = orphans_kill() > 0;
}

int liveness_silent_ms(const struct master *m, pid_t pid) {
    for (unsigned i = 0; pid && i < WATCHDOG_SLOTS; i++)
        if (m->liveness[i].pid == pid && pid_at(i) == pid)
            return m->liveness[i].silent_ms;
    return 0;
}

void liveness_reaped(struct master *m, pid_t pid, int status) {
    m->orphans = m->orphans || status != 0;
    for (unsigned i = 0; i < WATCHDOG_SLOTS; i++)
        if (pid_at(i) == pid)
            watchdog_slot(i)->pid = 0;
}

/* Neither the stream holder nor the metrics server, which are ended by themselves. */
static bool is_other(struct master *m, pid_t pid) {
    return pid && !stream_holder_is(m, pid) && pid != m->metrics.server;
}

unsigned liveness_others(struct master *m) {
    unsigned n = 0;

    for (unsigned i = 0; i < WATCHDOG_SLOTS; i++)
        n += is_other(m, pid_at(i));
    return n;
}

void liveness_signal_others(struct master *m, int signo) {
    for (unsigned i = 0; i < WATCHDOG_SLOTS; i++)
        if (is_other(m, pid_at(i)))
            kill(pid_at(i), signo);
}

void liveness_end_orphans(void) {
    orphans_end(END_MS);
}
