/* What `mcp-authd call` prints: the result to stdout, all else to stderr; or one line of JSON. */
#pragma once

#include "app/app.h"
#include "exec/executor.h"

struct call_report {
    struct arena *arena;
    const char *tool;
    bool json;             /* one line of JSON */
    struct json *result;   /* of tools/call; NULL: none */
    const char *outcome;   /* a word, as in the log; NULL: none */
    struct json *messages; /* the notifications, in their order */
    const struct program_usage *usage;
};

/* Takes a notification of the tool, which is printed at once, except as JSON. */
void call_report_message(struct call_report *r, struct json *message);
/* e: why the call was refused, with CALL_REFUSED. false: standard output took not all; errno. */
bool call_report_write(struct call_report *r, enum call_status status, const struct err *e);
