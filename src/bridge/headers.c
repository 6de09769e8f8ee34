/* Private part of session.h: the headers of the manifest, and what stands in them as ${NAME}; and
 * those of one message. */
#include "base/encode.h"
#include "base/file.h"
#include "bridge/session.h"

#define CALLER "caller."

/* A ${NAME} in a text. */
struct variable {
    const char *start; /* at its $ */
    struct text name;
    const char *end; /* behind its } */
};

static bool next_variable(const char *p, struct variable *out) {
    const char *close;

    out->start = strstr(p, "${");
    close = out->start ? strchr(out->start, '}') : NULL;
    if (!close)
        return false;
    out->name = (struct text){out->start + 2, (size_t)(close - out->start) - 2};
    out->end = close + 1;
    return true;
}

static bool is_of_caller(const struct variable *v) {
    return v->name.len >= strlen(CALLER) && !memcmp(v->name.p, CALLER, strlen(CALLER));
}

/* NULL: it cannot be read. The end of its last line is none of it. */
static const char *read_secret(struct arena *a, struct text name) {
    const char *path = getenv(arena_printf(a, "%.*s_FILE", (int)name.len, name.p));
    struct text content;
    struct err e;

    if (!path || file_read(a, path, HEADER_SECRET_MAX, &content, &e))
        return NULL;
    while (content.len && strchr("\r\n", content.p[content.len - 1]))
        content.len--;
    return arena_strndup(a, content.p, content.len);
}

const char *header_with_secrets(struct arena *a, const char *header) {
    struct variable v;
    struct buf b;

    buf_init(&b, a, HEADER_BYTES_MAX);
    for (; next_variable(header, &v); header = v.end) {
        const char *secret = is_of_caller(&v) ? arena_strndup(a, v.start, (size_t)(v.end - v.start))
                                              : read_secret(a, v.name);

        if (!secret || secret[strcspn(secret, "\r\n")]) {
            bridge_log("the secret %.*s of a header is missing, or has more than one line",
                       (int)v.name.len, v.name.p);
            return NULL;
        }
        buf_add(&b, header, (size_t)(v.start - header));
        buf_adds(&b, secret);
    }
    buf_adds(&b, header);
    return b.overflow ? NULL : b.p;
}

bool header_names_caller(const char *header) {
    struct variable v;

    for (; next_variable(header, &v); header = v.end)
        if (is_of_caller(&v))
            return true;
    return false;
}

static void add_encoded(struct buf *b, const char *s) {
    for (; *s; s++)
        if (*s <= ' ' || *s > '~' || *s == '%' || *s == ',')
            buf_addf(b, "%%%02X", (unsigned char)*s);
        else
            buf_addc(b, *s);
}

/* Several values, such as groups, have commas between them. */
static bool add_value(struct buf *b, const struct json *value) {
    if (!json_is_array(value) && !json_str(value))
        return false;
    if (json_str(value))
        add_encoded(b, json_str(value));
    for (size_t i = 0; i < json_len(value); i++) {
        if (i)
            buf_addc(b, ',');
        add_encoded(b, json_str(json_at(value, i)) ? json_str(json_at(value, i)) : "");
    }
    return true;
}

const char *header_with_caller(struct arena *a, const char *header, const struct json *caller) {
    struct variable v;
    struct buf b;

    buf_init(&b, a, HEADER_BYTES_MAX);
    for (; next_variable(header, &v); header = v.end) {
        const char *name = arena_strndup(a, v.name.p, v.name.len);

        buf_add(&b, header, (size_t)(v.start - header));
        name += is_of_caller(&v) ? strlen(CALLER) : 0;
        if (!add_value(&b, strncmp(name, "claims.", strlen("claims.")) != 0
                               ? json_get(caller, name)
                               : json_get(json_get(caller, "claims"), name + strlen("claims."))))
            return NULL;
    }
    buf_adds(&b, header);
    return b.overflow ? NULL : b.p;
}

/* ---- of one message ---- */

#define BASE64_PREFIX "=?base64?"

/* "Value Encoding": as it is if it is visible ASCII without space around it. */
static const char *encode_value(struct arena *a, struct text t) {
    const size_t prefix = strlen(BASE64_PREFIX);
    const bool seems_encoded = t.len >= prefix && !memcmp(t.p, BASE64_PREFIX, prefix);
    bool is_plain = t.len && t.p[0] != ' ' && t.p[t.len - 1] != ' ' && !seems_encoded;

    for (size_t i = 0; is_plain && i < t.len; i++)
        is_plain = t.p[i] >= ' ' && t.p[i] <= '~';
    if (is_plain || !t.len)
        return arena_strndup(a, t.p, t.len);
    return arena_printf(a, BASE64_PREFIX "%s?=", base64_encode(a, t.p, t.len));
}

static void add_line(struct bridge *b, struct buf *lines, const char *name,
                     const struct json *value) {
    struct text t;

    if (!value)
        return;
    t.p = json_is_string(value) ? json_strn(value, &t.len) : json_text(b->arena, value, &t.len);
    buf_addf(lines, "%s: %s\n", name, encode_value(b->arena, t));
}

/* "Standard Request Headers". */
static void add_standard(struct bridge *b, struct buf *lines, const struct json *message) {
    const char *method = json_get_str(message, "method");
    const struct json *params = json_get(message, "params");

    add_line(b, lines, "Mcp-Method", json_get(message, "method"));
    if (!strcmp(method, "tools/call") || !strcmp(method, "prompts/get"))
        add_line(b, lines, "Mcp-Name", json_get(params, "name"));
    else if (!strcmp(method, "resources/read"))
        add_line(b, lines, "Mcp-Name", json_get(params, "uri"));
}

const char *headers_of_message(struct bridge *b, struct json *message) {
    struct json *meta = json_get(json_get(message, "params"), "_meta");
    const struct json *given = json_get(meta, SERVER_META_HEADERS);
    struct buf lines;
    const bool fits = json_size(given) <= BRIDGE_MESSAGE_HEADERS_MAX;

    buf_init(&lines, b->arena, BRIDGE_LINES_MAX);
    if (b->is_stateless && json_get_str(message, "method"))
        add_standard(b, &lines, message);
    for (struct json_member h = json_first(fits ? given : NULL); h.key; json_next(&h))
        add_line(b, &lines, h.key, h.value);
    json_del(meta, SERVER_META_HEADERS);
    return lines.overflow || !fits ? NULL : lines.p;
}
