#include "jsonschema/location.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

struct pointer {
    char *p;
    size_t len;
};

static void add(struct pointer *out, const char *s, size_t len) {
    if (len > SCHEMA_TEXT_MAX - 1 - out->len)
        len = SCHEMA_TEXT_MAX - 1 - out->len;
    memcpy(out->p + out->len, s, len);
    out->len += len;
    out->p[out->len] = 0;
}

static void add_escaped(struct pointer *out, const char *s) {
    while (*s && out->len < SCHEMA_TEXT_MAX - 1) {
        size_t n = strcspn(s, "~/");

        add(out, s, n);
        s += n;
        if (*s)
            add(out, *s++ == '~' ? "~0" : "~1", 2);
    }
}

static void add_index(struct pointer *out, size_t i) {
    char text[24];

    (void)snprintf(text, sizeof text, "/%zu", i);
    add(out, text, strlen(text));
}

static void add_instance(struct pointer *out, const struct instance *at) {
    if (!at->parent)
        return;
    add_instance(out, at->parent);
    if (!at->key) {
        add_index(out, at->index);
        return;
    }
    add(out, "/", 1);
    add_escaped(out, at->key);
}

static void add_node(struct pointer *out, const struct node *n) {
    if (!n->parent)
        return;
    add_node(out, n->parent);
    add(out, "/", 1);
    add(out, n->keyword, strlen(n->keyword));
    if (n->member) {
        add(out, "/", 1);
        add_escaped(out, n->member);
    } else if (n->index != NO_INDEX) {
        add_index(out, n->index);
    }
}

void text_cut(char *text) {
    size_t len = strlen(text);

    text[utf8_valid_length(text, len)] = 0;
}

void instance_location(const struct instance *at, char out[SCHEMA_TEXT_MAX]) {
    struct pointer p = {out, 0};

    *out = 0;
    add_instance(&p, at);
    text_cut(out);
}

void keyword_location(const struct node *n, const char *keyword, char out[SCHEMA_TEXT_MAX]) {
    struct pointer p = {out, 0};

    add(&p, "#", 1);
    if (n)
        add_node(&p, n);
    if (keyword) {
        add(&p, "/", 1);
        add_escaped(&p, keyword);
    }
    text_cut(out);
}
