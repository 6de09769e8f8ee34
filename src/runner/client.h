/* The daemon's side of the runner: one connection for each run. */
#pragma once

#include "runner/request.h"

/* Where the runner listens: the path of a Unix socket, or NULL and the connector that runner_listen
 * made, which all children of this process then keep (child.h). Without either, nothing can be
 * started. */
void runner_use(const char *path, int connector);
/* From now on by the runner at this path; "": again by that of runner_use. The path is borrowed. */
void runner_choose(const char *path);
const char *runner_chosen(void);

/* Asks for a run. `fds`: stdin, stdout and stderr of the program, and r->secrets more. Returns the
 * connection, on which the answer comes; closing it kills the program. -1: errno. */
int run_request_send(const struct run_request *r, const int *fds);
void run_request_say(int conn, enum run_word word);
/* Takes the answer when the connection is readable. 1: here it is; 0: not yet; -1: there will be
 * none, since the runner, or its supervisor, has ended: errno is ECONNRESET if that was before it
 * had received the request, so that nothing was started (unix(7)), and otherwise 0. */
int run_answer_take(int conn, struct run_answer *out);

/* Who waits for a program or a server. All of it may be 0. */
struct waiter {
    /* A descriptor that becomes readable when nobody waits any more, or -1. Read before each wait,
     * since a line may change it. NULL: there is none. */
    const int *watch;
    /* Called before each wait, which is no longer than what it returns, in ms; -1: nobody waits any
     * more. NULL: there is nothing to do in between. */
    int (*before_wait)(void *arg);
    void *before_wait_arg;
    /* Called when `watch` is readable: does nobody wait any more? NULL: nobody does. */
    bool (*must_stop)(void *arg);
    void *must_stop_arg;
};

/* Calls before_wait. How long to wait then, in ms; 0: until_ms has passed; -1: nobody waits any
 * more. */
int waiter_wait_ms(const struct waiter *w, int64_t until_ms);
bool waiter_must_stop(const struct waiter *w); /* `watch` is readable */

/* Connects with a question, or with RUN_INSTANCES to the instance pool. -1: errno. */
int runner_ask(enum run_kind kind);
/* What is in force. Waits for wait_ms at most. false: errno; ECONNRESET: it does not serve this
 * user; EPROTO: it is of another version. */
bool runner_ask_state(int wait_ms, struct run_state *out);
/* What keeps programs apart, as a list for a person. Returns `out`. */
#define RUN_STATE_TEXT_MAX 128
const char *run_state_text(const struct run_state *s, char out[RUN_STATE_TEXT_MAX]);
