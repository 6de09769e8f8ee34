/* Between the files of base/json.h: `struct json` is json-c's object under our name. */
#ifndef BASE_JSON_LIB_H
#define BASE_JSON_LIB_H

#include <json-c/json.h>
#include <stdint.h>

#include "base/json.h"

static inline struct json *json_wrap(struct json_object *o) {
    return (struct json *)(void *)o;
}

static inline struct json_object *json_unwrap(const struct json *v) {
    return (struct json_object *)(void *)(uintptr_t)v;
}

/* Gives the reference that we hold to the arena. o is NULL only when json-c is out of memory. */
struct json *json_own(struct arena *a, struct json_object *o);

#endif
