/* base/json.h: whatever is accepted can be written, and what was written is accepted again and says
 * the same. json-c reads the same in it. What is read takes no more memory than it may. */
#include <json-c/json.h>

#include "base/json.h"
#include "input.h"
#include "standalone.h"

#define MEMBERS_MAX 64
#define MEMORY_SLACK ((size_t)64 << 10) /* of the arena itself */

/* The ends of an arena's chunks stay unused: a quarter more is still what it says. */
static void check_memory(size_t size, size_t taken) {
    size_t most = size * JSON_MEMORY_FACTOR;

    if (most < JSON_MEMORY_MIN)
        most = JSON_MEMORY_MIN;
    MUST(taken <= most + most / 4 + MEMORY_SLACK);
}

/* What can be asked of a value agrees with what kind it has. */
static void check_value(const struct json *v, unsigned depth) {
    struct json_number n;
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
    for (struct json_member m = json_first(v); m.key; json_next(&m)) {
        MUST(json_has(v, m.key) && json_get(v, m.key) == m.value && is_utf8_text(m.key));
        if (count++ < MEMBERS_MAX)
            check_value(m.value, depth + 1);
    }
    MUST(count == json_size(v));
    for (size_t k = 0; k < json_len(v) && k < MEMBERS_MAX; k++)
        check_value(json_at(v, k), depth + 1);
}

/* json-c rounds integers that no 64 bits hold, and does not tell -0 from 0. */
static void check_number(const struct json *v, struct json_object *theirs) {
    struct json_number n;
    int64_t i;

    MUST(json_number(v, &n));
    if (json_object_is_type(theirs, json_type_double))
        MUST(!(n.d < json_object_get_double(theirs)) && !(n.d > json_object_get_double(theirs)));
    else if (json_int(v, &i) && i != INT64_MAX && i != INT64_MIN)
        MUST(i == json_object_get_int64(theirs));
}

/* How many replacement characters stand for what is no character is json-c's own choice. */
static void check_string(const struct json *v, struct json_object *theirs) {
    size_t len;
    const char *text = json_strn(v, &len);

    MUST(text);
    if (!memmem(text, len, "\xef\xbf\xbd", 3))
        MUST(len == (size_t)json_object_get_string_len(theirs) &&
             !memcmp(text, json_object_get_string(theirs), len));
}

static void check_same(const struct json *v, struct json_object *theirs) {
    static const enum json_kind kinds[] = {
        [json_type_null] = JSON_NULL,     [json_type_boolean] = JSON_BOOLEAN,
        [json_type_double] = JSON_NUMBER, [json_type_int] = JSON_NUMBER,
        [json_type_object] = JSON_OBJECT, [json_type_array] = JSON_ARRAY,
        [json_type_string] = JSON_STRING};
    struct json_object *member;

    MUST(json_kind(v) == kinds[json_object_get_type(theirs)]);
    if (json_is_number(v))
        check_number(v, theirs);
    else if (json_is_string(v))
        check_string(v, theirs);
    else if (json_is_bool(v))
        MUST(json_is_true(v) == json_object_get_boolean(theirs));
    else if (json_is_array(v))
        MUST(json_len(v) == json_object_array_length(theirs));
    else if (json_is_object(v))
        MUST(json_size(v) == (size_t)json_object_object_length(theirs));
    for (size_t i = 0; i < json_len(v); i++)
        check_same(json_at(v, i), json_object_array_get_idx(theirs, i));
    for (struct json_member m = json_first(v); m.key; json_next(&m)) {
        MUST(json_object_object_get_ex(theirs, m.key, &member));
        check_same(m.value, member);
    }
}

static void check_with_json_c(const struct json *v, const uint8_t *data, size_t size) {
    struct json_tokener *tok = json_tokener_new_ex(JSON_DEPTH_MAX + 2);
    struct json_object *theirs;

    MUST(tok);
    json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    theirs = json_tokener_parse_ex(tok, (const char *)data, (int)size);
    if (json_tokener_get_error(tok) == json_tokener_continue) /* it waits for more of a number */
        theirs = json_tokener_parse_ex(tok, "", 1);
    MUST(json_tokener_get_error(tok) == json_tokener_success);
    check_same(v, theirs);
    json_object_put(theirs);
    json_tokener_free(tok);
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
        check_with_json_c(v, data, size);
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
