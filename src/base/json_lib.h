/* Private part of json.h: `struct json` is json-c's object under our name. */
#pragma once

#include <json-c/json.h>

#include "base/base.h"

struct json;

static inline struct json *json_wrap(struct json_object *o) {
    return (struct json *)(void *)o;
}

static inline struct json_object *json_unwrap(const struct json *v) {
    return (struct json_object *)(void *)(uintptr_t)v;
}

/* What json-c makes is NULL only when it is out of memory. */
static inline struct json_object *json_made(struct json_object *o) {
    if (!o)
        out_of_memory("json", 0);
    return o;
}

static inline void json_release(void *o) {
    (void)json_object_put(o);
}

/* Gives the reference that we hold to the arena. */
static inline struct json *json_own(struct arena *a, struct json_object *o) {
    arena_defer(a, json_release, json_made(o));
    return json_wrap(o);
}

/* What is wrong with a text. */
enum json_fault {
    JSON_GOOD,
    JSON_MALFORMED,
    JSON_TOO_DEEP, /* nested deeper than JSON_DEPTH_MAX */
    JSON_NOT_UTF8,
    JSON_BAD_NAME, /* with a NUL, or half a surrogate pair */
    JSON_NAME_TWICE,
    JSON_TOO_LONG,
    JSON_TOO_MANY_VALUES, /* they would take more memory than a text of this length may */
};

struct json_verdict {
    enum json_fault fault;
    size_t at;     /* the offset of the fault */
    size_t memory; /* bytes that the values take, about */
};

/* json_parse.c: *out is NULL for null, and for a text with a fault. */
struct json_verdict json_read(struct arena *a, const char *text, size_t len, struct json **out);
/* Sets the error of a text of len bytes with this fault; OK if it has none. */
enum rc json_explain(const struct json_verdict *v, size_t len, struct err *e);
