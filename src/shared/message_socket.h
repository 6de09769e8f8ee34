/* Messages between the processes of one host: a worker waits for a message that another worker
 * received, such as a client's answer. */
#pragma once

#include "base/base.h"

#define MESSAGE_SOCKET_NAME_MAX 64
/* The name should be unguessable. *out is a descriptor that is readable when there is a message,
 * and that may be sent to another process; -1 after ERR_INTERNAL, also if the name is taken. */
enum rc message_socket_open(const char *name, int *out, struct err *e) MUST_USE;
/* Waits for a message, which replaces what is in the buffer; or until the descriptor `watch`
 * becomes readable (-1: none), or until that monotonic time. */
enum message_socket_event {
    MESSAGE_SOCKET_RECEIVED,
    MESSAGE_SOCKET_WATCHED,
    MESSAGE_SOCKET_TIMEOUT
};
enum message_socket_event message_socket_wait(int socket, int watch, int64_t until_ms,
                                              struct buf *message);
/* Does a socket of that name exist on this host? Its owner is not contacted. True if that cannot be
 * determined. */
bool message_socket_exists(const char *name);
/* False if there is no socket of that name, or it does not accept the message. */
bool message_socket_send(const char *name, const void *data, size_t len);
