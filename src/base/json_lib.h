/* Between the files of base/json.h: `struct json` is json-c's object under our name. */
#ifndef BASE_JSON_LIB_H
#define BASE_JSON_LIB_H

#include <json-c/json.h>
#include <stdint.h>

#include "base/arena.h"

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

#endif
