/* JSON. Every value lives in the arena that it was made in, and as long as that; a value that is
 * put into another must not live shorter. json_parse.c is the parser, json_text.c the writer,
 * json_file.c says what is wrong with a text, json.c is the rest. */
#pragma once

#include "base/text.h"

struct json; /* a value: object, array, string, number, boolean or null */

#define JSON_DEPTH_MAX 64 /* nesting that any of our parsers accepts */
/* What the values of a text may take: so many bytes, or more in proportion to a long text, but
 * never more than the arena may still hand out. An empty object is 2 bytes of text and 64 of
 * memory. */
#define JSON_MEMORY_MIN ((size_t)10 << 20)
#define JSON_MEMORY_FACTOR 8

/* Parses exactly one strict JSON text (RFC 8259; UTF-8 is checked; nothing may follow it). No name
 * comes twice in an object, or has a NUL or half of a surrogate pair in it: in a string such a half
 * becomes U+FFFD. A number is written again as it was. On failure *out is NULL, and e says what is
 * wrong and at which byte (code ERR_INVALID_REQUEST). */
enum rc json_parse(struct arena *a, const char *text, size_t len, struct json **out,
                   struct err *e) MUST_USE;
/* The same of a whole file of at most max_len bytes. */
enum rc json_parse_file(struct arena *a, const char *path, size_t max_len, struct json **out,
                        struct err *e) MUST_USE;

/* The value of a text that need not be JSON. NULL: it is not, or it is null. */
static inline struct json *json_of_text(struct arena *a, const char *text, size_t len) {
    struct json *v;

    return json_parse(a, text, len, &v, ERR_IGNORED) ? NULL : v;
}

/* Reading. A missing member, or one of another type, gives NULL, false or 0. */
struct json *json_get(const struct json *object, const char *key); /* NULL also for JSON null */
/* True also for JSON null. For an optional member of what others send use json_get: absent and null
 * are the same then. */
bool json_has(const struct json *object, const char *key);
const char *json_str(const struct json *v); /* NULL too if the string has a NUL inside */
const char *json_strn(const struct json *v, size_t *len); /* NULs allowed */
bool json_int(const struct json *v, int64_t *out);        /* an integer, or 1.0 and the like */
bool json_is_true(const struct json *v);
static inline const char *json_get_str(const struct json *object, const char *key) {
    return json_str(json_get(object, key));
}
static inline bool json_get_int(const struct json *object, const char *key, int64_t *out) {
    return json_int(json_get(object, key), out);
}
/* RFC 7519 §2, NumericDate: seconds since 1970, of which a fraction is dropped. */
bool json_get_seconds(const struct json *object, const char *key, int64_t *out);
static inline bool json_get_bool(const struct json *object, const char *key) {
    return json_is_true(json_get(object, key));
}
/* Is the member this text? NULL is none. */
static inline bool json_get_is(const struct json *object, const char *key, const char *text) {
    const char *s = json_get_str(object, key);

    return s && text && !strcmp(s, text);
}
bool json_has_str(const struct json *array, const char *text); /* as one of its values */
size_t json_len(const struct json *array);
struct json *json_at(const struct json *array, size_t i); /* NULL also for JSON null */

/* What a value is. Every number is JSON_NUMBER, however it is written. */
enum json_kind { JSON_NULL, JSON_BOOLEAN, JSON_OBJECT, JSON_ARRAY, JSON_NUMBER, JSON_STRING };
enum json_kind json_kind(const struct json *v);
static inline bool json_is_object(const struct json *v) {
    return json_kind(v) == JSON_OBJECT;
}
static inline bool json_is_array(const struct json *v) {
    return json_kind(v) == JSON_ARRAY;
}
static inline bool json_is_string(const struct json *v) {
    return json_kind(v) == JSON_STRING;
}
static inline bool json_is_number(const struct json *v) {
    return json_kind(v) == JSON_NUMBER;
}
static inline bool json_is_bool(const struct json *v) {
    return json_kind(v) == JSON_BOOLEAN;
}

/* A number. Integers up to 64 bits, also such as 1.0 and 1e3, are exact: a sign and a magnitude.
 * Others are what a double can hold of them, infinite if it cannot (1e400). */
struct json_number {
    bool is_integer, negative;
    uint64_t magnitude; /* of an integer */
    double d;           /* of any number; rounded if it is an integer beyond 2^53 */
};
bool json_number(const struct json *v, struct json_number *out); /* false if v is no number */
int json_number_compare(const struct json_number *a, const struct json_number *b); /* <0, 0, >0 */

size_t json_size(const struct json *object); /* how many members */
/* for (struct json_member m = json_first(o); m.key; json_next(&m)): the members in order. The
 * object must not change meanwhile. */
struct json_member {
    const char *key;    /* NULL: there are no more */
    struct json *value; /* NULL for JSON null */
    void *entry;
};
struct json_member json_first(const struct json *object);
void json_next(struct json_member *m);

/* Building (json_new_…, because jansson, which libjwt brings into the process, exports json_object
 * and the like). The arena owns; `json_put` and `json_add` share. A NULL value is JSON null. */
struct json *json_new_object(struct arena *a);
struct json *json_new_array(struct arena *a);
struct json *json_new_stringn(struct arena *a, const char *s, size_t len);
static inline struct json *json_new_string(struct arena *a, const char *s) {
    return json_new_stringn(a, s, strlen(s));
}
void json_put(struct json *object, const char *key, struct json *v);
/* With NULL it is not put at all. */
static inline void json_put_given(struct json *object, const char *key, struct json *v) {
    if (v)
        json_put(object, key, v);
}
void json_put_str(struct json *object, const char *key, const char *s); /* the same */
/* An object with this one member. */
static inline struct json *json_new_member(struct arena *a, const char *key, struct json *v) {
    struct json *object = json_new_object(a);

    json_put(object, key, v);
    return object;
}
/* The member; anything but an object is replaced by a new one. */
static inline struct json *json_ensure_object(struct arena *a, struct json *object,
                                              const char *key) {
    struct json *v = json_get(object, key);

    if (!json_is_object(v))
        json_put(object, key, v = json_new_object(a));
    return v;
}
void json_put_int(struct json *object, const char *key, int64_t n);
void json_put_bool(struct json *object, const char *key, bool b);
void json_del(struct json *object, const char *key);
void json_add(struct json *array, struct json *v);
void json_add_str(struct json *array, const char *s);
/* An array of the words of a text, which spaces separate. */
void json_put_words(struct arena *a, struct json *object, const char *key, const char *words);

/* A copy that shares nothing with v and lives in a. */
struct json *json_clone(struct arena *a, const struct json *v);
/* Compact text in one line, in the arena; *len may be NULL. It has no byte that anybody could take
 * for the end of a line: U+0085, U+2028 and U+2029 are escaped too. */
const char *json_text(struct arena *a, const struct json *v, size_t *len);
static inline struct text json_as_text(struct arena *a, const struct json *v) {
    struct text t;

    t.p = json_text(a, v, &t.len);
    return t;
}
size_t json_text_len(const struct json *v); /* of the same text */
/* The canonical form of RFC 8785, in the arena: members sorted, no space, no needless escape. But a
 * number stays as it was written, so 1.0 and 1 differ. */
const char *json_canonical(struct arena *a, const struct json *v, size_t *len);
