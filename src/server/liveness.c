/* The master's look at its processes besides workers: the keeper, who answers GET /metrics, and
 * those that workers and the keeper have started, which it has adopted (runner/orphans.h). */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/watchdog.h"
#include "runner/orphans.h"
#include "server/master.h"

#define END_MS 1000 /* for what programs have left behind, when all else has ended */

/* Who is at the i-th place; 0: nobody. */
static pid_t pid_at(unsigned i) {
    return watchdog_place(i)->pid;
}

/* One that begins gets a sign of its own: what was seen at its place before is another's. */
static void look(struct master *m, unsigned i, int elapsed_ms) {
    const struct watchdog_place *p = watchdog_place(i);
    struct watch *w = &m->watches[i];
    unsigned signs = p->signs;

    w->silent_ms = w->pid == p->pid && w->signs == signs ? w->silent_ms + elapsed_ms : 0;
    w->pid = p->pid;
    w->signs = signs;
    if (w->silent_ms <= p->limit_ms || !p->limit_ms)
        return;
    log_error("process_stuck", kvn("process", w->pid), kvn("silent_ms", w->silent_ms),
              kv("what", stream_holder_is(m, w->pid)    ? "the keeper of streams"
                         : w->pid == m->observer.server ? "who answers GET /metrics"
                                                        : "a task or the watcher of tasks"),
              kv("hint", "it is killed"));
    kill(w->pid, SIGKILL);
    w->silent_ms = 0;
}

/* A moment in which the master itself did not run counts for no more than one of its rounds. */
void watch_tick(struct master *m, int64_t now) {
    int64_t elapsed = now - m->watched_ms;

    m->watched_ms = now;
    if (elapsed > m->timing->tick_ms)
        elapsed = m->timing->tick_ms;
    for (unsigned i = 0; i < WATCHDOG_PLACES; i++)
        if (pid_at(i))
            look(m, i, (int)elapsed);
    if (m->orphans)
        m->orphans = orphans_kill() > 0;
}

int watch_silent_ms(const struct master *m, pid_t pid) {
    for (unsigned i = 0; pid && i < WATCHDOG_PLACES; i++)
        if (m->watches[i].pid == pid && pid_at(i) == pid)
            return m->watches[i].silent_ms;
    return 0;
}

void watch_reaped(struct master *m, pid_t pid, int status) {
    m->orphans = m->orphans || status != 0;
    for (unsigned i = 0; i < WATCHDOG_PLACES; i++)
        if (pid_at(i) == pid)
            watchdog_place(i)->pid = 0;
}

/* All but the keeper and who answers GET /metrics, which have an end of their own. */
static bool is_other(struct master *m, pid_t pid) {
    return pid && !stream_holder_is(m, pid) && pid != m->observer.server;
}

unsigned watch_others(struct master *m) {
    unsigned n = 0;

    for (unsigned i = 0; i < WATCHDOG_PLACES; i++)
        n += is_other(m, pid_at(i));
    return n;
}

void watch_signal(struct master *m, int signo) {
    for (unsigned i = 0; i < WATCHDOG_PLACES; i++)
        if (is_other(m, pid_at(i)))
            kill(pid_at(i), signo);
}

void watch_end(void) {
    orphans_end(END_MS);
}
