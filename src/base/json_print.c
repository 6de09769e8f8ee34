#include "base/json_print.h"

#include <json-c/json.h>

static struct json_object *made(struct json_object *o) {
    if (!o)
        out_of_memory("json", 0);
    return o;
}

/* Each number with its text, as it came in: json-c rounds long integers. */
static struct json_object *number_of(const struct json *v) {
    struct arena *a = arena_new(0);
    struct json_number n;
    struct json_object *o;

    (void)json_number(v, &n);
    o = made(json_object_new_double_s(n.d, json_text(a, v, NULL)));
    arena_free(a);
    return o;
}

static struct json_object *value_of(const struct json *v) {
    struct json_object *o = NULL;
    const char *text;
    size_t len;

    switch (json_kind(v)) {
    case JSON_OBJECT:
        o = made(json_object_new_object());
        for (struct json_member m = json_first(v); m.key; json_next(&m))
            if (json_object_object_add(o, m.key, value_of(m.value)))
                out_of_memory("json", 0);
        break;
    case JSON_ARRAY:
        o = made(json_object_new_array());
        for (size_t i = 0; i < json_len(v); i++)
            if (json_object_array_add(o, value_of(json_at(v, i))))
                out_of_memory("json", 0);
        break;
    case JSON_STRING:
        text = json_strn(v, &len);
        o = made(json_object_new_string_len(text, (int)len));
        break;
    case JSON_NUMBER:
        o = number_of(v);
        break;
    case JSON_BOOLEAN:
        o = made(json_object_new_boolean(json_is_true(v)));
        break;
    case JSON_NULL:
        break;
    }
    return o;
}

void json_print(FILE *out, const struct json *v) {
    struct json_object *o = value_of(v);

    (void)fprintf(out, "%s\n",
                  json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
                                                        JSON_C_TO_STRING_NOSLASHESCAPE));
    (void)json_object_put(o);
}
