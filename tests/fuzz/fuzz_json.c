/* base/json.h: whatever is accepted can be written, and what was written is accepted again and says
 * the same. What is read takes no more memory than it may. */
#include "base/json.h"
#include "input.h"
#include "standalone.h"

#define MEMBERS_MAX 64
#define MEMORY_SLACK ((size_t)64 << 10) /* of the arena itself */

/* json_parse.c estimates: a quarter more is still what it says. */
static void check_memory(size_t size, size_t taken) {
    size_t most = size * JSON_MEMORY_FACTOR;

    if (most < JSON_MEMORY_MIN)
        most = JSON_MEMORY_MIN;
    MUST(taken <= most + most / 4 + MEMORY_SLACK);
}

/* What can be asked of a value agrees with what kind it has. */
static void check_value(const struct json *v, unsigned depth) {
    struct json_number n;
    struct json_member m;
    int64_t i;
    size_t len, count = 0;

    MUST(depth <= JSON_DEPTH_MAX);
    MUST(json_is_number(v) == json_number(v, &n));
    MUST((json_kind(v) == JSON_STRING) == (json_strn(v, &len) != NULL));
    if (json_str(v))
        MUST(strlen(json_str(v)) == len && is_utf8_text(json_str(v)));
    if (json_is_number(v)) {
        MUST(!json_number_compare(&n, &n));
        if (json_int(v, &i) && i != INT64_MAX && i != INT64_MIN)
            MUST(n.is_integer && n.negative == (i < 0) &&
                 n.magnitude == (i < 0 ? 0 - (uint64_t)i : (uint64_t)i));
    }
    for (bool more = json_first(v, &m); more; more = json_next(&m)) {
        MUST(json_has(v, m.key) && json_get(v, m.key) == m.value && is_utf8_text(m.key));
        if (count++ < MEMBERS_MAX)
            check_value(m.value, depth + 1);
    }
    MUST(count == json_size(v));
    for (size_t k = 0; k < json_len(v) && k < MEMBERS_MAX; k++)
        check_value(json_at(v, k), depth + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena *a = arena_new(ARENA_BYTES);
    struct json *v, *again;
    const char *text, *text_again;
    struct err e = {0};
    size_t len, len_again, before = fuzz_allocated();

    if (json_parse(a, (const char *)data, size, &v, &e)) {
        MUST(!v && e.code == ERR_INVALID_REQUEST && is_plain_line(e.text, strlen(e.text)));
    } else {
        if (fuzz_allocated() > before)
            check_memory(size, fuzz_allocated() - before);
        check_value(v, 0);
        text = json_text(a, v, &len);
        MUST(utf8_valid_length(text, len) == len);
        MUST(!memchr(text, '\n', len) && !memchr(text, '\r', len)); /* an event has one line */
        MUST(!json_parse(a, text, len, &again, &e));
        text_again = json_text(a, again, &len_again);
        MUST(len == len_again && !memcmp(text, text_again, len));
        text_again = json_text(a, json_clone(a, v), &len_again);
        MUST(len == len_again && !memcmp(text, text_again, len));
    }
    arena_free(a);
    return 0;
}
