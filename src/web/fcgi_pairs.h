/* The lengths that stand before each parameter (FastCGI spec §3.4), as the bytes come. libfcgi adds
 * two of them in an int and asks for so much memory: with large ones that ends the process, and in
 * versions before 2.4.5 overflows the heap (CVE-2025-23016). */
#pragma once

#include "base/base.h"

struct fcgi_pairs {
    size_t max;       /* bytes of one pair; the other members are 0 at first */
    size_t length[2]; /* of name and value */
    unsigned which;   /* of the two is being read */
    unsigned more;    /* bytes that are missing of it; 0: none has come yet */
    size_t to_skip;   /* of the name and the value themselves */
    size_t name;      /* how much of that is the name */
};

/* False if one pair is to be longer than `max`, or has in it what would end it for libfcgi, which
 * makes "NAME=value" of it: a NUL, or in the name a "=". A pair that breaks off is libfcgi's to
 * find. */
bool fcgi_pairs_take(struct fcgi_pairs *s, const unsigned char *p, size_t len);
