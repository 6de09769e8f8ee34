#include "base/json.h"

#include <math.h>

#include "base/json_value.h"

enum json_kind json_kind(const struct json *v) {
    return v ? v->kind : JSON_NULL;
}

bool json_number(const struct json *v, struct json_number *out) {
    double whole;

    *out = (struct json_number){0};
    if (!json_is_number(v))
        return false;
    if (v->is_plain) {
        *out = (struct json_number){true, v->flag, v->magnitude, (double)v->magnitude};
        out->d = v->flag ? -out->d : out->d;
        return true;
    }
    out->d = strtod(v->text, NULL);
    out->is_integer =
        fabs(out->d) < 0x1p64 && !(modf(out->d, &whole) > 0 || modf(out->d, &whole) < 0);
    if (out->is_integer) {
        out->negative = out->d < 0;
        out->magnitude = (uint64_t)fabs(out->d);
    }
    return true;
}

static int compare_integers(const struct json_number *a, const struct json_number *b) {
    int by_magnitude = (a->magnitude > b->magnitude) - (a->magnitude < b->magnitude);

    if (a->negative != b->negative)
        return a->negative ? -1 : 1;
    return a->negative ? -by_magnitude : by_magnitude;
}

int json_number_compare(const struct json_number *a, const struct json_number *b) {
    if (a->is_integer && b->is_integer)
        return compare_integers(a, b);
    if (a->d > b->d || a->d < b->d)
        return a->d > b->d ? 1 : -1;
    if (a->is_integer == b->is_integer)
        return 0;
    /* Only an integer just below 2^64 is rounded to what is none of 64 bits. */
    return (a->is_integer ? -1 : 1) * (a->d < 0 ? -1 : 1);
}

const char *json_strn(const struct json *v, size_t *len) {
    if (!json_is_string(v))
        return NULL;
    *len = v->len;
    return v->text;
}

const char *json_str(const struct json *v) {
    return json_is_string(v) && !memchr(v->text, 0, v->len) ? v->text : NULL;
}

bool json_int(const struct json *v, int64_t *out) {
    const uint64_t most = (uint64_t)INT64_MAX;
    struct json_number n;

    if (!json_number(v, &n) || !n.is_integer || (!v->is_plain && n.magnitude >= (uint64_t)1 << 53))
        return false;
    if (n.negative)
        *out = n.magnitude > most ? INT64_MIN : -(int64_t)n.magnitude;
    else
        *out = n.magnitude > most ? INT64_MAX : (int64_t)n.magnitude;
    return true;
}

bool json_get_seconds(const struct json *object, const char *key, int64_t *out) {
    struct json_number n;

    if (json_get_int(object, key, out))
        return true;
    if (!json_number(json_get(object, key), &n) || !(fabs(n.d) < 0x1p53))
        return false;
    *out = (int64_t)floor(n.d);
    return true;
}

bool json_is_true(const struct json *v) {
    return json_is_bool(v) && v->flag;
}

size_t json_len(const struct json *array) {
    return json_is_array(array) ? array->items->count : 0;
}

struct json *json_at(const struct json *array, size_t i) {
    return i < json_len(array) ? array->items->values[i] : NULL;
}

bool json_has_str(const struct json *array, const char *text) {
    for (size_t i = 0; i < json_len(array); i++) {
        const char *s = json_str(json_at(array, i));

        if (s && !strcmp(s, text))
            return true;
    }
    return false;
}

/* ---- members: a list in order, and of many of them an array by name, which no choice of names
 * makes slower to search or to add to. The array is sorted in runs, whose lengths are the powers of
 * two of its length, the longest first: so a member that is added is sorted again only each time
 * that its run becomes longer. ---- */

#define UNSORTED_MAX 16 /* these are searched one by one */
#define LARGE_ROOM 4096 /* of an array that is given back when it is replaced */

/* The length of the last run of so many. */
static uint32_t run_at(uint32_t end) {
    return end & (~end + 1);
}

static int compare_names(const struct json_entry *a, const char *key, size_t len) {
    if (a->key_len != len)
        return a->key_len < len ? -1 : 1;
    return memcmp(a->key, key, len);
}

static int compare_entries(const void *a, const void *b) {
    const struct json_entry *other = *(struct json_entry *const *)b;

    return compare_names(*(struct json_entry *const *)a, other->key, other->key_len);
}

/* Of an array of n, which has room for the next power of two. */
static size_t room_for(uint32_t n) {
    size_t room = 2 * UNSORTED_MAX;

    while (room < n)
        room *= 2;
    return room;
}

/* Makes room for all members in the array. */
static void make_room(struct json_members *m) {
    const size_t old = m->sorted_count ? room_for(m->sorted_count) : 0;
    struct json_entry **more;

    if (m->count <= old)
        return;
    more = arena_alloc(m->arena, room_for(m->count) * sizeof *more);
    if (old)
        memcpy(more, m->sorted, m->sorted_count * sizeof *more);
    if (old >= LARGE_ROOM)
        arena_release(m->arena, m->sorted);
    m->sorted = more;
}

/* Takes the unsorted members into the array. */
static void append_unsorted(struct json_members *m) {
    make_room(m);
    for (; m->unsorted; m->unsorted = m->unsorted->next)
        m->sorted[m->sorted_count++] = m->unsorted;
}

static void sort_runs(struct json_members *m) {
    const uint32_t before = m->sorted_count;

    append_unsorted(m);
    for (uint32_t end = m->sorted_count, run; end > before; end -= run) {
        run = run_at(end);
        qsort(m->sorted + end - run, run, sizeof *m->sorted, compare_entries);
    }
}

static struct json_entry *find_in_run(struct json_entry *const *run, uint32_t to, const char *key,
                                      size_t len) {
    uint32_t from = 0;

    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        int order = compare_names(run[middle], key, len);

        if (!order)
            return run[middle];
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

static struct json_entry *find_sorted(const struct json_members *m, const char *key, size_t len) {
    struct json_entry *e = NULL;

    for (uint32_t end = m->sorted_count, run; end && !e; end -= run) {
        run = run_at(end);
        e = find_in_run(m->sorted + end - run, run, key, len);
    }
    return e;
}

static struct json_entry *find(const struct json *object, const char *key) {
    const size_t len = strlen(key);

    if (!json_is_object(object))
        return NULL;
    if (object->members->count - object->members->sorted_count > UNSORTED_MAX)
        sort_runs(object->members);
    for (struct json_entry *e = object->members->unsorted; e; e = e->next)
        if (e->key_len == len && !memcmp(e->key, key, len))
            return e;
    return find_sorted(object->members, key, len);
}

bool json_has_twice(const struct json *object) {
    struct json_members *m = object->members;

    if (m->count > UNSORTED_MAX) {
        append_unsorted(m);
        qsort(m->sorted, m->sorted_count, sizeof *m->sorted, compare_entries);
        for (uint32_t i = 1; i < m->count; i++)
            if (!compare_entries(&m->sorted[i - 1], &m->sorted[i]))
                return true;
        return false;
    }
    for (const struct json_entry *a = m->first; a; a = a->next)
        for (const struct json_entry *b = a->next; b; b = b->next)
            if (!compare_names(a, b->key, b->key_len))
                return true;
    return false;
}

size_t json_size(const struct json *object) {
    return json_is_object(object) ? object->members->count : 0;
}

static struct json_member member_of(struct json_entry *e) {
    return e ? (struct json_member){e->key, e->value, e} : (struct json_member){0};
}

struct json_member json_first(const struct json *object) {
    return member_of(json_is_object(object) ? object->members->first : NULL);
}

void json_next(struct json_member *m) {
    *m = member_of(((struct json_entry *)m->entry)->next);
}

bool json_has(const struct json *object, const char *key) {
    return find(object, key) != NULL;
}

struct json *json_get(const struct json *object, const char *key) {
    const struct json_entry *e = find(object, key);

    return e ? e->value : NULL;
}

/* ---- building ---- */

static struct json *value_new(struct arena *a, enum json_kind kind) {
    struct json *v = arena_alloc(a, sizeof *v);

    v->kind = (unsigned char)kind;
    return v;
}

struct json *json_new_object(struct arena *a) {
    struct json *v = value_new(a, JSON_OBJECT);

    v->members = arena_alloc(a, sizeof *v->members);
    v->members->arena = a;
    return v;
}

struct json *json_new_array(struct arena *a) {
    struct json *v = value_new(a, JSON_ARRAY);

    v->items = arena_alloc(a, sizeof *v->items);
    v->items->arena = a;
    return v;
}

struct json *json_new_stringn(struct arena *a, const char *s, size_t len) {
    struct json *v = value_new(a, JSON_STRING);

    v->text = arena_strndup(a, s, len);
    v->len = (uint32_t)len;
    return v;
}

void json_append(struct json *object, const char *key, size_t key_len, struct json *v) {
    struct json_members *m = object->members;
    struct json_entry *e = arena_alloc(m->arena, sizeof *e);

    *e = (struct json_entry){NULL, key, key_len, v};
    if (m->last)
        m->last->next = e;
    else
        m->first = e;
    if (!m->unsorted)
        m->unsorted = e;
    m->last = e;
    m->count++;
}

void json_put(struct json *object, const char *key, struct json *v) {
    struct json_entry *e = find(object, key);
    const size_t len = strlen(key);

    if (e)
        e->value = v;
    else
        json_append(object, arena_strndup(object->members->arena, key, len), len, v);
}

void json_put_str(struct json *object, const char *key, const char *s) {
    if (s)
        json_put(object, key, json_new_string(object->members->arena, s));
}

void json_put_int(struct json *object, const char *key, int64_t n) {
    struct json *v = value_new(object->members->arena, JSON_NUMBER);

    v->is_plain = true;
    v->flag = n < 0;
    v->magnitude = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    json_put(object, key, v);
}

void json_put_bool(struct json *object, const char *key, bool b) {
    struct json *v = value_new(object->members->arena, JSON_BOOLEAN);

    v->flag = b;
    json_put(object, key, v);
}

void json_del(struct json *object, const char *key) {
    struct json_entry *e = find(object, key), *before = NULL;
    struct json_members *m;

    if (!e)
        return;
    m = object->members;
    for (struct json_entry *at = m->first; at != e; at = at->next)
        before = at;
    if (before)
        before->next = e->next;
    else
        m->first = e->next;
    if (m->last == e)
        m->last = before;
    m->count--;
    m->sorted_count = 0;
    m->unsorted = m->first;
}

void json_add(struct json *array, struct json *v) {
    struct json_items *items = array->items;

    if (items->count == items->room) {
        uint32_t room = items->room ? 2 * items->room : 2;
        struct json **more = arena_alloc(items->arena, room * sizeof *more);

        if (items->count)
            memcpy(more, items->values, items->count * sizeof *more);
        if (items->room >= LARGE_ROOM)
            arena_release(items->arena, items->values);
        items->values = more;
        items->room = room;
    }
    items->values[items->count++] = v;
}

void json_add_str(struct json *array, const char *s) {
    json_add(array, json_new_string(array->items->arena, s));
}

void json_put_words(struct arena *a, struct json *object, const char *key, const char *words) {
    struct json *array = json_new_array(a);

    for (const char *w; (w = list_next(a, &words));)
        json_add_str(array, w);
    json_put(object, key, array);
}

struct json *json_clone(struct arena *a, const struct json *v) {
    struct json *copy;

    if (json_is_object(v)) {
        copy = json_new_object(a);
        for (const struct json_entry *e = v->members->first; e; e = e->next)
            json_append(copy, arena_strndup(a, e->key, e->key_len), e->key_len,
                        json_clone(a, e->value));
    } else if (json_is_array(v)) {
        copy = json_new_array(a);
        for (size_t i = 0; i < json_len(v); i++)
            json_add(copy, json_clone(a, json_at(v, i)));
    } else if (v) {
        copy = arena_alloc(a, sizeof *copy);
        *copy = *v;
        if (json_is_string(v) || (json_is_number(v) && !v->is_plain))
            copy->text = arena_strndup(a, v->text, v->len);
    } else {
        copy = NULL;
    }
    return copy;
}
