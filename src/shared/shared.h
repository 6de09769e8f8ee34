/* What the workers of one host share, in files. */
#ifndef SHARED_SHARED_H
#define SHARED_SHARED_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "shared/cache.h"
#include "shared/concurrency_limit.h"
#include "shared/lease.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* message_socket.c: a worker waits for a message that another worker of this host received, such as
 * a client's answer. */
#define MESSAGE_SOCKET_NAME_MAX 64
struct message_socket;
/* The name should be unguessable. */
enum rc message_socket_open(const char *name, struct message_socket **out, struct err *e) MUST_USE;
void message_socket_close(struct message_socket *m); /* NULL is accepted */
const int *
message_socket_watch(const struct message_socket *m); /* readable when there is a message */
/* Waits for a letter, which is put into the buffer in place of what is there; or until the
 * descriptor `watch` becomes readable (-1: none), or for the monotonic time. */
enum message_socket_news { MESSAGE_SOCKET_LETTER, MESSAGE_SOCKET_WATCHED, MESSAGE_SOCKET_TIMEOUT };
enum message_socket_news message_socket_wait(struct message_socket *m, int watch, int64_t until_ms,
                                             struct buf *letter);
/* Does a socket of that name exist on this host? Its owner does not notice. True if unknown. */
bool message_socket_exists(const char *name);
/* False if there is no socket of that name, or it does not accept the message. */
bool message_socket_send(const char *name, const void *data, size_t len);
/* replay_log.c: events of a stream, stored for a short time in a directory, so that another worker
 * can send them again. The number and the length of logs are limited. */
#define REPLAY_LOG_BYTES_MAX ((size_t)4 << 20) /* of one */
#define REPLAY_LOGS_MAX 128                    /* of the host, */
#define REPLAY_LOGS_OWNER_MAX 32 /* and of one owner: those written to longest ago are deleted */
#define REPLAY_LOG_KEEP_S 300    /* after the last event */
#define REPLAY_LOG_NAME_MAX 128
struct replay_log;
/* The name must be new; the part before its first colon is the owner. */
enum rc replay_log_create(const char *dir, const char *name, int64_t now_s, struct replay_log **out,
                          struct err *e) MUST_USE;
/* After an error nothing more should be added: there would be a gap. */
enum rc replay_log_add(struct replay_log *j, const void *data, size_t len, struct err *e) MUST_USE;
size_t replay_log_len(const struct replay_log *j); /* bytes added */
enum rc replay_log_open(const char *dir, const char *name, struct replay_log **out,
                        struct err *e) MUST_USE; /* to read; ERR_MISSING */
size_t replay_log_read(struct replay_log *j, size_t at, void *into,
                       size_t room); /* 0: nothing more so far */
/* Has its writer closed it, or ended? Then nothing more will be added. */
bool replay_log_has_ended(struct replay_log *j);
void replay_log_close(struct replay_log *j); /* NULL is accepted */
void replay_log_sweep(const char *dir, int64_t now_s);

#endif
