/* A parked call: it waits only for a person, so no worker serves it. The stream holder
 * (server/parked_calls.c) has its descriptors, among them a file in memory with the request and
 * what its handler needs to go on. When something arrives, any worker continues it. */
#pragma once

#include "base/text.h"

#define PARKED_BYTES_MAX ((size_t)256 << 10) /* of the file; a larger call keeps its worker */
#define PARKED_USER_MAX 23                   /* bytes */
#define PARKED_LOST_MAX 4096                 /* bytes */
#define PARKED_KEEP_ALIVE_MAX_MS 3600000

struct request;

/* Descriptors of a parked call besides its connection and its file; -1: there is none. */
enum parked_fd {
    PARKED_ANSWERS, /* readable: the client has answered */
    PARKED_CANCEL,  /* readable: the client has cancelled the call */
    PARKED_REPLAY,  /* the log of the stream's events, which stays locked */
};
#define PARKED_FDS (PARKED_REPLAY + 1)

/* What a handler gives away. */
struct parked {
    struct text state; /* what the handler needs to go on */
    struct text lost;  /* the rest of the stream if the call is lost; at most PARKED_LOST_MAX */
    const char *user;  /* a digest of at most PARKED_USER_MAX bytes */
    int fds[PARKED_FDS];
    int64_t until_ms;      /* monotonic: continued then at the latest */
    int64_t keep_alive_ms; /* between comments on its connection; up to PARKED_KEEP_ALIVE_MAX_MS */
    bool disconnected;     /* the client is: the connection goes with this worker */
    bool again;            /* it was parked before, and has been counted as one of the user's */
    bool asleep;           /* continued at until_ms, whatever arrives before */
};

/* The same in the request of a call that is continued. */
struct resumed {
    struct text state;
    int fds[PARKED_FDS]; /* whoever takes one sets it to -1; the others are closed at the end */
    bool refused;        /* it was not kept: the user, or the host, has too many */
};
/* The descriptor, which is the caller's from now on. */
static inline int resumed_take(struct resumed *r, enum parked_fd which) {
    const int fd = r->fds[which];

    r->fds[which] = -1;
    return fd;
}

/* A file in memory with the request, the state and the end of the stream; -1: errno, EFBIG if it
 * would be over PARKED_BYTES_MAX. */
int parked_write(const struct request *rq, struct text state, struct text lost);
/* Reads only the end of the stream. Returns its length; 0: there is none, or it is malformed. */
size_t parked_read_lost(int file, char out[PARKED_LOST_MAX]);
/* Reads it into rq, whose arena must be set: all members that parked_write has (fcgi_adopt fills
 * the others). *state lives in the same arena. False: it is malformed. */
bool parked_read(int file, struct request *rq, struct text *state);
