/* Private part of instance.h: the relays (relay.h) that the instance pool has started. */
#pragma once

#include "runner/relay.h"

#define RELAYS_MAX 1024
#define RELAY_RECORDS_MAX 1024 /* servers that are remembered; of more, nothing is known */

struct relay_entry {
    int control;    /* -1: free */
    bool is_usable; /* it takes callers; otherwise it is ending */
    struct instance_key key;
    int64_t started_ms;
    struct relay_place place; /* one that nobody reads, if there are too many */
};

/* How to answer who wants to call the server of this key. *fd, with INSTANCE_FOUND: a connection to
 * its relay, which is the caller's. Relays of another revision end. */
enum instance_found relay_pool_call(const struct instance_key *key, int *fd, uint32_t *wait_ms);
/* Starts the relay of a server that a client has started. NULL: it is not needed, or not possible.
 * The descriptors stay the caller's. */
struct relay_entry *relay_pool_start(const struct instance_key *key, const int fds[INSTANCE_FDS]);
/* Passes the file to all relays of the server and its revision. It stays the caller's. */
void relay_pool_renew_service(const struct instance_key *key, int file);
/* Its control is readable. If it has ended, its place is free afterwards. */
void relay_pool_event(struct relay_entry *x);
/* They take no more callers, and end after the last call. */
void relay_pool_retire_all(void);
unsigned relay_pool_count(void);
/* What is known of the server with this number, from 0. false: there are no more. */
bool relay_pool_state(uint32_t number, struct server_state *out);
