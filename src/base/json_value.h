/* Private part of json.h: what a value is, and how a text becomes values. A value lies in an arena,
 * and so does all that belongs to it. JSON null is a NULL pointer. */
#pragma once

#include <endian.h>

#include "base/base.h"

struct json {
    unsigned char kind; /* enum json_kind */
    bool is_plain;      /* of a number: an integer that 64 bits hold, written as they are usually */
    bool flag;          /* true; of a plain number: it is negative */
    uint32_t len;       /* of the text */
    union {
        const char *text;   /* of a string, and of a number that is not plain; a NUL ends it */
        uint64_t magnitude; /* of a plain number */
        struct json_members *members;
        struct json_items *items;
    };
};

struct json_entry {
    struct json_entry *next;
    const char *key;
    size_t key_len;
    struct json *value;
};

struct json_members {
    struct arena *arena;
    struct json_entry *first, *last;
    struct json_entry *unsorted; /* the first that is not in `sorted` */
    struct json_entry **sorted;  /* by their names in runs (json.c), if there are many */
    uint32_t count, sorted_count;
};

struct json_items {
    struct arena *arena;
    struct json **values;
    uint32_t count, room;
};

/* Adds a member at the end of an object that has none of this name. The object keeps the key. */
void json_append(struct json *object, const char *key, size_t key_len, struct json *v);
/* Has an object a name twice? */
bool json_has_twice(const struct json *object);

/* How many bytes at s are neither a control character (RFC 8259 §7), a quotation mark nor a
 * backslash; with `ends_lines`, none of 0xc2 and 0xe2 either, with which U+0085, U+2028 and U+2029
 * begin. Eight bytes at a time: of what is found in them the first byte is right, and those behind
 * it may be carries. */
static inline size_t json_plain(const char *s, size_t len, bool ends_lines) {
#define EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (c))
#define HAS_ZERO(v) (((v)-EACH_BYTE(1)) & ~(v))
    size_t i = 0;

    for (uint64_t v, found; len - i >= sizeof v; i += sizeof v) {
        memcpy(&v, s + i, sizeof v);
        v = le64toh(v);
        found = HAS_ZERO(v ^ EACH_BYTE('"')) | HAS_ZERO(v ^ EACH_BYTE('\\')) |
                ((v - EACH_BYTE(' ')) & ~v);
        if (ends_lines && v & EACH_BYTE(0x80))
            found |= HAS_ZERO(v ^ EACH_BYTE(0xc2)) | HAS_ZERO(v ^ EACH_BYTE(0xe2));
        if (found &= EACH_BYTE(0x80))
            return i + (size_t)__builtin_ctzll(found) / 8;
    }
    for (; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c < ' ' || c == '"' || c == '\\' || (ends_lines && (c == 0xc2 || c == 0xe2)))
            break;
    }
    return i;
#undef HAS_ZERO
#undef EACH_BYTE
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
    size_t at;                 /* the offset of the fault */
    size_t memory, memory_max; /* bytes that the values take, about, and that they may */
};

/* json_parse.c: *out is NULL for null, and for a text with a fault. */
struct json_verdict json_read(struct arena *a, const char *text, size_t len, struct json **out);
