/* One line per event on stderr, in logfmt: `ts=… level=info pid=… event=… key="value"`. A line is
 * one write(2), so lines of several processes never mix. Values are escaped: a client cannot forge
 * a line. Never pass a token, code, verifier, cookie or secret. A line that the log does not take
 * is lost and counted: output.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
    const char *key;
    const char *text; /* NULL: the field is the number */
    int64_t number;
};

static inline struct log_field kv(const char *key, const char *text) {
    return (struct log_field){key, text ? text : "", 0};
}
static inline struct log_field kvn(const char *key, int64_t number) {
    return (struct log_field){key, 0, number};
}

/* log_info("worker_started", kvn("slot", 3), kv("why", "load")); */
#define log_debug(event, ...) LOG_AT(LOG_DEBUG, event, ##__VA_ARGS__)
#define log_info(event, ...) LOG_AT(LOG_INFO, event, ##__VA_ARGS__)
#define log_warn(event, ...) LOG_AT(LOG_WARN, event, ##__VA_ARGS__)
#define log_error(event, ...) LOG_AT(LOG_ERROR, event, ##__VA_ARGS__)
#define LOG_AT(level, event, ...)                                                                  \
    ({                                                                                             \
        const struct log_field log_fields_[] = {{0}, ##__VA_ARGS__};                               \
        log_write(level, event, log_fields_ + 1, sizeof log_fields_ / sizeof *log_fields_ - 1);    \
    })
/* false: the line was lost. */
bool log_write(enum log_level level, const char *event, const struct log_field *fields,
               unsigned count);

/* The time now as each line has it: RFC 3339, in UTC. */
#define LOG_TIME_BYTES 48
size_t log_time(char text[LOG_TIME_BYTES]); /* returns its length */

/* From here on the log does not block; called once by the master. */
void log_open(void);

/* Writes a line of another format, which ends with a newline, to the same output. */
bool log_line(const char *line, size_t len);

/* From here on each line also has site=NAME; "": none has. The name is borrowed. */
void log_set_site(const char *name);

/* Lines below this level are dropped; LOG_INFO at start. */
void log_set_level(enum log_level level);
