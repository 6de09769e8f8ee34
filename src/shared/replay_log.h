/* Events of a stream, stored for a short time in a directory, so that another worker can send them
 * again. The number and the length of logs are limited. */
#pragma once

#include "base/base.h"

#define REPLAY_LOG_BYTES_MAX ((size_t)4 << 20) /* of one log */
/* Logs of the host, and of one owner. A new log above the limit replaces the one that was written
 * to longest ago. */
#define REPLAY_LOGS_MAX 128
#define REPLAY_LOGS_OWNER_MAX 32
#define REPLAY_LOG_KEEP_S 300 /* after the last event */
#define REPLAY_LOG_NAME_MAX 128
struct replay_log;
/* Opens a new log to write. The name must be new; the part before its first colon is the owner.
 * ERR_STORE. */
enum rc replay_log_create(const char *dir, const char *name, int64_t now_s, struct replay_log **out,
                          struct err *e) MUST_USE;
/* Continues one that another process has created, and whose descriptor it has sent here: it has
 * `len` bytes. */
struct replay_log *replay_log_adopt(int fd, size_t len);
int replay_log_fd(const struct replay_log *r);
/* Appends. After ERR_TOO_LARGE or ERR_STORE add nothing more, or there would be a gap. */
enum rc replay_log_add(struct replay_log *r, const void *data, size_t len, struct err *e) MUST_USE;
size_t replay_log_len(const struct replay_log *r); /* bytes added */
/* Opens a log to read. ERR_MISSING if there is none of that name. */
enum rc replay_log_open(const char *dir, const char *name, struct replay_log **out,
                        struct err *e) MUST_USE;
/* Reads bytes from the offset `at` on and returns how many; 0: there are none yet. */
size_t replay_log_read(struct replay_log *r, size_t at, void *into, size_t room);
/* Has its writer closed it, or ended? Then nothing more will be added. */
bool replay_log_has_ended(struct replay_log *r);
void replay_log_close(struct replay_log *r); /* NULL is accepted */
/* Deletes logs that are older than REPLAY_LOG_KEEP_S. */
void replay_log_sweep(const char *dir, int64_t now_s);
