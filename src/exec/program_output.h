/* Private part of executor.h: the lines that a program prints while it runs, each a message as JSON
 * (docs/tools.md, "Progress and log messages"). */
#pragma once

#include "exec/executor.h"

struct line_reader {
    struct mcp_call *c;
    const struct invocation *invocation;
    /* Lines of a persistent program count only if they have this id: what it has printed of another
     * call does not reach this one. NULL: it runs for this call alone. */
    const char *id;
    bool has_result;
    struct json *progress_token;          /* NULL: the client sent none */
    struct arena *scratch, *result_arena; /* memory of this line; of the result */
    size_t repaired;                      /* bytes that were not UTF-8 */
    struct text result;
};

/* Before the program runs: `c`, `invocation` and `id` are filled. */
void line_reader_begin(struct line_reader *r);
/* For process_spec.on_line; `arg` is the line_reader. */
void line_reader_take(void *arg, const char *line, size_t len);
/* Returns the JSON text of the result; empty: there is none. */
struct text line_reader_end(struct line_reader *r);

/* Programs print file names, mails and web pages, also in other encodings. Bytes that are not UTF-8
 * cannot be sent in JSON and are replaced, so that the rest of the output is not lost. */
void log_repaired(const struct mcp_call *c, const struct invocation *i, size_t bytes);
