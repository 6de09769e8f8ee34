/* The keeper's side of the process that is asked for news: of what streams wait for and no file
 * tells. It is started with the first question, and ends with the keeper. */
#ifndef SERVER_TASK_SUBSCRIPTIONS_H
#define SERVER_TASK_SUBSCRIPTIONS_H

#include "config/config.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NEWS_BYTES_MAX ((size_t)1 << 20) /* of one piece, with what it is called */

struct news {
    const struct config *config;
    int fd; /* readable when there is something; -1: the process is not there */
    char *in;
    size_t have;
    int64_t again_ms; /* monotonic: not started again before */
};

void news_init(struct news *n, const struct config *config);
/* Starts the process if it is not there. false: not now. */
bool news_start(struct news *n);
/* Asks for the news of `what`: as it is now, and from now on. Or no more. False: the process does
 * not take it, and is gone. */
bool news_ask(struct news *n, const char *what, size_t len, bool wanted);
/* Hands what has come to fn. False: the process is gone. */
typedef void news_fn(void *arg, const char *what, size_t what_len, const char *text, size_t len);
bool news_take(struct news *n, news_fn *fn, void *arg);

#endif
