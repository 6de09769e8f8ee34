/* The one difference between the nettle versions we build with: nettle 4 dropped the length that
 * the digest functions of nettle 3 (Debian 12 and 13) take. */
#pragma once

#include <nettle/version.h>

#if NETTLE_VERSION_MAJOR >= 4
#define NETTLE_DIGEST(fn, ctx, len, out) fn((ctx), (out))
#else
#define NETTLE_DIGEST(fn, ctx, len, out) fn((ctx), (len), (out))
#endif
