/* The list of hosts that are asked without the proxy, as the variable no_proxy of other programs
 * has it. */
#pragma once

#include "base/base.h"

/* Is the host of a URL, in any letter case, in a list of hosts and domains, or below one of them?
 * The list is separated by spaces; a dot before an entry, and one after the host, mean nothing. An
 * IPv6 address is in brackets in both. */
bool no_proxy_has(const char *list, const char *host);
