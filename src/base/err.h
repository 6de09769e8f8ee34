/* Errors: set once where they are understood, returned upward untouched, logged once by the
 * dispatcher, and turned into a reply (app/errors.c). */
#pragma once

#include <stdio.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))
#define NORETURN __attribute__((noreturn))
/* A large variable that is written before it is read: the compiler's option zeroes others. */
#define UNINITIALIZED __attribute__((uninitialized))

/* What went wrong, by who can do something about it. OK is 0, so `if (rc)` reads "if it failed". A
 * protocol adds codes of its own: oauth/site.h, mcp/rpc.h. */
enum rc {
    OK = 0,
    /* The request itself is wrong (the client's developer can correct it). */
    ERR_INVALID_REQUEST,        /* HTTP 400 */
    ERR_NOT_FOUND,              /* no such path; HTTP 404 */
    ERR_MISDIRECTED,            /* it is at another host name; HTTP 421 */
    ERR_METHOD_NOT_ALLOWED,     /* path exists, method does not; HTTP 405 */
    ERR_NOT_ACCEPTABLE,         /* HTTP 406 */
    ERR_TOO_LARGE,              /* a named limit was passed; HTTP 413 */
    ERR_UNSUPPORTED_MEDIA_TYPE, /* HTTP 415 */
    /* Refused. */
    ERR_REFUSED,            /* a seal, a signature or a grant is not valid */
    ERR_ACCESS_DENIED,      /* the user, or a rule of ours, said no */
    ERR_NO_TOKEN,           /* no bearer token given: a challenge without an error code */
    ERR_INVALID_TOKEN,      /* RFC 6750 §3.1 invalid_token; HTTP 401 */
    ERR_INSUFFICIENT_SCOPE, /* RFC 6750 §3.1; HTTP 403 */
    ERR_RATE_LIMITED,       /* RFC 6585 §4; HTTP 429 */
    ERR_FORBIDDEN_ORIGIN,   /* the Origin header names a site that is not allowed; HTTP 403 */
    /* Not the client's fault. */
    ERR_UPSTREAM,      /* a server that we asked failed, perhaps for a time only; HTTP 503 */
    ERR_STORE,         /* a store failed; HTTP 503 */
    ERR_OVERLOADED,    /* a limit of this host is reached, for a time only; HTTP 503 */
    ERR_MISCONFIGURED, /* an admin must act; HTTP 500 */
    ERR_INTERNAL,      /* our bug; HTTP 500 */
    /* Between modules only, never sent. */
    ERR_CONFLICT, /* a store condition was not met */
    ERR_EXISTS,   /* a key that had to be new is taken */
    ERR_MISSING,  /* no such record */
    ERR_PROTOCOL, /* the first code of a protocol's own */
    ERR_COUNT = ERR_PROTOCOL + 24
};

struct err {
    enum rc code;
    char text[256];   /* for the client: plain ASCII, no internals, no upstream text */
    char detail[320]; /* for the log only; never a secret */
    /* What a user can do about it: a text of pages/words.h. NULL: what its code says. */
    const char *advice;
    struct {
        unsigned line, column;
        const char *file; /* if it is one of several: its path; NULL: it is clear which */
    } position;           /* of the fault in a file of the admin's; line 0: there is none */
};

/* For who does not ask why something failed. */
#define ERR_IGNORED (&(struct err){.code = OK})

/* Sets code and public text once; returns code, so `return err_set(e, …)`. */
enum rc err_set(struct err *e, enum rc code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The same with codes of which there are many. */
#define invalid_request(e, ...) err_set(e, ERR_INVALID_REQUEST, __VA_ARGS__)
#define misconfigured(e, ...) err_set(e, ERR_MISCONFIGURED, __VA_ARGS__)

/* Adds what only the log may see; returns e's code too. */
enum rc err_detail(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* For an admin, a line: PATH[:LINE:COLUMN]: text. */
void err_print(FILE *out, const char *path, const struct err *e);
