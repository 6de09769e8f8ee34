/* Private part of servers.h: a server that is an address: "url", "headers", "ca_file" and
 * "allow_http" of a manifest. It is served by a program of ours, the bridge (bridge/bridge.h),
 * which is started as the program of another server is. */
#pragma once

#include "catalog/program.h"

#define SERVER_HEADERS_MAX 32
#define SERVER_HEADER_BYTES_MAX 2048

/* Reads the members into what is started. ERR_INVALID_REQUEST with the reason. */
enum rc server_read_url(const struct manifest *m, struct program *out) MUST_USE;
