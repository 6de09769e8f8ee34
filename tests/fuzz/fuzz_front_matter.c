/* The front matter of a SKILL.md, which is often somebody else's work. */
#include "catalog/front_matter.h"
#include "input.h"
#include "standalone.h"

/* Nesting, which each value's own text shows. */
static unsigned depth_of(const struct json *v) {
    unsigned most = 0, depth;

    for (struct json_member m = json_first(v); m.key; json_next(&m))
        most = (depth = depth_of(m.value)) > most ? depth : most;
    for (size_t i = 0; json_is_array(v) && i < json_len(v); i++)
        most = (depth = depth_of(json_at(v, i))) > most ? depth : most;
    return most + (json_is_object(v) || json_is_array(v));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena *a = arena_new(ARENA_BYTES);
    const struct text file = {(const char *)data, size};
    struct json *v = NULL, *again;
    struct err e = {0};
    const char *text;
    size_t len;

    if (front_matter_read(a, file, &v, &e)) {
        MUST(e.code == ERR_INVALID_REQUEST && is_plain_line(e.text, strlen(e.text)));
        MUST(e.position.line <= size + 2);
    } else {
        MUST(json_is_object(v) && depth_of(v) <= FRONT_MATTER_DEPTH_MAX);
        text = json_text(a, v, &len);
        MUST(!json_parse(a, text, len, &again, &e));
        MUST(!strcmp(json_text(a, again, NULL), text));
    }
    arena_free(a);
    return 0;
}
