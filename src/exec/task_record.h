/* The record of a task: read, shown to clients, and written. Every write replaces the version that
 * was read, so concurrent changes are not lost: the later writer reads again. */
#pragma once

#include "exec/task.h"

struct mcp_call;

/* ERR_MISSING, ERR_STORE. A task whose lease has expired is marked as failed. */
enum rc task_read(struct site *site, struct arena *a, const char *id, struct task *out,
                  struct err *e) MUST_USE;
/* The same for this caller. ERR_RPC_INVALID_PARAMS if it does not exist, or belongs to another user
 * or client. */
enum rc task_load(struct mcp_call *c, const char *id, struct task *out, struct err *e) MUST_USE;
/* ERR_CONFLICT if somebody else has written since it was read; ERR_TOO_LARGE, ERR_STORE. */
enum rc task_save(struct task *t, struct err *e) MUST_USE;
/* Renews the lease, since the program still runs. ERR_CONFLICT as above. */
enum rc task_renew(struct task *t, struct err *e) MUST_USE;
/* Waits before another try after ERR_CONFLICT. false: there is no time for one. */
bool task_pause(int64_t until_ms);
void task_status(struct task *t, const char *status);
void task_fail(struct task *t, const char *text);
bool task_is(const struct task *t, const char *status);
bool task_has_ended(const struct task *t);
/* What clients see of a task. `whole` adds what tasks/get has besides (DetailedTask). */
struct json *task_view(const struct task *t, bool whole);
