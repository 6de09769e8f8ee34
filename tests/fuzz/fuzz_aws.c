/* What the AWS room parses: the shared files, and the Security Token Service's answers. */
#include <stdlib.h>
#include <string.h>

#include "aws/credentials.h"
#include "standalone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena *a = arena_new((size_t)256 << 20);
    struct err e = {0};
    struct aws_ini ini;
    const char *text;
    int64_t time_s;
    enum rc rc;

    if (size > AWS_ANSWER_MAX) {
        arena_free(a);
        return 0;
    }
    rc = aws_ini_parse(a, "file", arena_strndup(a, (const char *)data, size), &ini, &e);
    if (rc && rc != ERR_MISCONFIGURED)
        abort();
    for (const struct aws_ini_line *l = ini.first; l; l = l->next)
        if (!l->section || strlen(l->key) + strlen(l->value) > 3 * size + 1)
            abort();
    text = aws_xml_text(a, (const char *)data, size, "a/b");
    if (text && strlen(text) > size)
        abort();
    (void)aws_read_time(arena_strndup(a, (const char *)data, size), &time_s);
    arena_free(a);
    return 0;
}
