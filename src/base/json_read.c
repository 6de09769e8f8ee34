/* Private part of json.h: from text to values. json_check.c judges the text first, so nothing here
 * can be wrong with it but a name that comes twice. json-c's own parser is not used: it cuts names
 * at a NUL, rounds long integers, and each version is strict and lenient in ways of its own. */
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/json_check.h"
#include "base/json_lib.h"

struct reader {
    const char *p, *end;
    char *word;        /* where the next name, string or number goes, with a NUL behind it */
    const char *twice; /* the end of an object that has a name twice; NULL: there is none */
};

static struct json_object *read_value(struct reader *r);

static void skip_space(struct reader *r) {
    while (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r')
        r->p++;
}

/* The byte that separates or ends values, which is passed over. */
static char next_mark(struct reader *r) {
    skip_space(r);
    return *r->p++;
}

static unsigned read_hex(const char *p) {
    unsigned n = 0;

    for (int i = 0; i < 4; i++)
        n = n << 4 | (unsigned)hex_value(p[i]);
    return n;
}

/* At the hex digits of an escape; moves behind it. Half of a pair stands for no character, as
 * RFC 8259 §8.2 says, and becomes the one that says so. */
static unsigned read_code_point(const char **p) {
    unsigned high = read_hex(*p), low;

    *p += 4;
    if (high >> 11 != 0xd800 >> 11)
        return high;
    if (high >> 10 == 0xd800 >> 10 && (*p)[0] == '\\' && (*p)[1] == 'u') {
        low = read_hex(*p + 2);
        if (low >> 10 == 0xdc00 >> 10) {
            *p += 6;
            return 0x10000 + ((high & 0x3ff) << 10 | (low & 0x3ff));
        }
    }
    return 0xfffd;
}

static char *put_utf8(char *out, unsigned c) {
    if (c < 0x80) {
        *out++ = (char)c;
        return out;
    }
    if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
    } else {
        if (c < 0x10000) {
            *out++ = (char)(0xe0 | c >> 12);
        } else {
            *out++ = (char)(0xf0 | c >> 18);
            *out++ = (char)(0x80 | (c >> 12 & 0x3f));
        }
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
    }
    *out++ = (char)(0x80 | (c & 0x3f));
    return out;
}

/* At the quote that begins a string: puts what it says into r->word, and returns its length. */
static size_t read_string(struct reader *r) {
    static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char *out = r->word;

    for (r->p++; *r->p != '"';) {
        if (*r->p != '\\') {
            *out++ = *r->p++;
        } else if (r->p[1] == 'u') {
            r->p += 2;
            out = put_utf8(out, read_code_point(&r->p));
        } else {
            *out++ = meant[strchr(plain, r->p[1]) - plain];
            r->p += 2;
        }
    }
    r->p++;
    *out = 0;
    return (size_t)(out - r->word);
}

/* A plain integer of 64 bits is one; anything else is a double that keeps its text, so that it goes
 * out as it came in: 1.0, 1e3, -0, and integers that no 64 bits hold. */
static struct json_object *read_number(struct reader *r) {
    size_t len = 0;

    while (r->p < r->end && strchr("+-.eE0123456789", *r->p))
        r->word[len++] = *r->p++;
    r->word[len] = 0;
    if (!json_is_plain_integer(r->word, len))
        return json_object_new_double_s(strtod(r->word, NULL), r->word);
    if (*r->word == '-' || strtoull(r->word, NULL, 10) <= INT64_MAX)
        return json_object_new_int64(strtoll(r->word, NULL, 10));
    return json_object_new_uint64(strtoull(r->word, NULL, 10));
}

static struct json_object *read_array(struct reader *r) {
    struct json_object *array = json_made(json_object_new_array_ext(1));

    r->p++;
    skip_space(r);
    if (*r->p == ']') {
        r->p++;
        return array;
    }
    do
        if (json_object_array_add(array, read_value(r)))
            out_of_memory("json", 0);
    while (next_mark(r) == ',');
    return array;
}

/* The library keeps the last of two members of one name, others the first: whoever looks into a
 * message before us must not see another one (RFC 8259 §4: names SHOULD be unique). */
static struct json_object *read_object(struct reader *r) {
    struct json_object *object = json_made(json_object_new_object());
    int members = 0;

    r->p++;
    skip_space(r);
    if (*r->p == '}') {
        r->p++;
        return object;
    }
    do {
        char *name = r->word;

        skip_space(r);
        r->word += read_string(r) + 1;
        (void)next_mark(r); /* the colon */
        if (json_object_object_add(object, name, read_value(r)))
            out_of_memory("json", 0);
        r->word = name;
        members++;
    } while (next_mark(r) == ',');
    if (!r->twice && json_object_object_length(object) != members)
        r->twice = r->p;
    return object;
}

/* NULL for null. As deep as json_check lets a text be. */
static struct json_object *read_value(struct reader *r) {
    size_t len;

    skip_space(r);
    switch (*r->p) {
    case '{':
        return read_object(r);
    case '[':
        return read_array(r);
    case '"':
        len = read_string(r);
        return json_made(json_object_new_string_len(r->word, (int)len));
    case 't':
    case 'f':
        len = *r->p == 't' ? 4 : 5;
        r->p += len;
        return json_made(json_object_new_boolean(len == 4));
    case 'n':
        r->p += 4;
        return NULL;
    default:
        return json_made(read_number(r));
    }
}

static size_t values_max(size_t len) {
    return len > JSON_MEMORY_MIN / JSON_MEMORY_FACTOR ? len * JSON_MEMORY_FACTOR : JSON_MEMORY_MIN;
}

struct json_verdict json_read(struct arena *a, const char *text, size_t len, struct json **out) {
    struct reader r = {.p = text, .end = text + len};
    struct json_object *o;
    struct json_verdict v;
    char *words;

    *out = NULL;
    if (len > INT32_MAX / 2)
        return (struct json_verdict){.fault = JSON_TOO_LONG};
    v = json_check(text, len);
    if (!v.fault && v.memory > values_max(len))
        v.fault = JSON_TOO_MANY_VALUES;
    if (v.fault)
        return v;
    /* The names on the way to a value and the value are, with their NULs, no longer than the text
     * that has them with their quotes. */
    r.word = words = xmalloc(len + 1);
    o = read_value(&r);
    explicit_bzero(words, len + 1);
    free(words);
    if (o)
        *out = json_own(a, o);
    if (r.twice) {
        *out = NULL;
        return (struct json_verdict){JSON_NAME_TWICE, (size_t)(r.twice - text) - 1, v.memory};
    }
    return v;
}

enum rc json_explain(const struct json_verdict *v, size_t len, struct err *e) {
    switch (v->fault) {
    case JSON_GOOD:
        return OK;
    case JSON_TOO_LONG:
        return err_set(e, ERR_INVALID_REQUEST, "the JSON text is too long");
    case JSON_TOO_DEEP:
        return err_set(e, ERR_INVALID_REQUEST, "the JSON text is nested deeper than %d levels",
                       JSON_DEPTH_MAX);
    case JSON_TOO_MANY_VALUES:
        return err_set(e, ERR_INVALID_REQUEST,
                       "the JSON text has too many values: they would take %zu bytes of memory, "
                       "and %zu may be taken by a text of this length",
                       v->memory, values_max(len));
    case JSON_NAME_TWICE:
        return err_set(e, ERR_INVALID_REQUEST, "not valid JSON: an object has a name twice");
    case JSON_NOT_UTF8:
        return err_set(e, ERR_INVALID_REQUEST, "not valid UTF-8 at byte %zu", v->at);
    case JSON_BAD_NAME:
        return err_set(e, ERR_INVALID_REQUEST,
                       "not valid JSON: the name before byte %zu has \\u0000 or half a surrogate "
                       "pair in it",
                       v->at);
    case JSON_MALFORMED:
        break;
    }
    return err_set(e, ERR_INVALID_REQUEST, "not valid JSON at byte %zu", v->at);
}

enum rc json_parse(struct arena *a, const char *text, size_t len, struct json **out,
                   struct err *e) {
    struct json_verdict v = json_read(a, text, len, out);

    return json_explain(&v, len, e);
}
