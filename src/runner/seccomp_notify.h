/* What a program asks its supervisor by system calls (seccomp.h), and how that answers
 * (seccomp_unotify(2), Linux 5.14 and later): a TCP socket is made by the supervisor, so that it
 * gets no answer from the instance metadata addresses, where AWS gives the host's credentials to
 * whoever asks. No privileges are needed.
 *
 * Not for fork(2): a signal that arrives before the supervisor has read the question (before Linux
 * 5.19: before its answer) ends the call with EINTR, unless its handler has SA_RESTART. A shell,
 * whose children end while it starts others, takes that for a failure.
 *
 * Only numbers are looked at, never a program's memory, which it can change after the look. */
#pragma once

#include "base/base.h"
#include "runner/seccomp.h"

/* Whether this kernel and what surrounds this process allow it. */
bool seccomp_notify_works(void);

/* Answers one question; to be called when the filter's listener is readable. `guarded`: the socket
 * does not reach the instance metadata addresses. */
void seccomp_notify_answer(const struct seccomp_filter *f, bool guarded);
