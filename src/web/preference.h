/* Content negotiation: the elements of Accept and Accept-Language with their weights (RFC 9110
 * §12.4.2, §12.5). */
#pragma once

#include "base/base.h"

#define WEIGHT_MAX 1000 /* of q=1: there are three decimals */

struct preference {
    const char *range; /* a media type or range, a language or range */
    size_t len;
    int weight; /* 0: it is not acceptable. What is no weight counts as 1. */
};

/* The next element of the header at *at; false at its end. Commas and semicolons in quoted strings
 * separate nothing. */
bool preference_next(const char **at, struct preference *out);
