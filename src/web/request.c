#include "web/request.h"

#include "base/url.h"
#include "base/utf8.h"

#define HTTP_PREFIX "HTTP_"
#define BUCKETS 64

/* Lists of parameters, in their order: their numbers from 1 on; 0 ends a list. */
struct params_index {
    unsigned first[BUCKETS];
    unsigned next[]; /* of each parameter */
};

char **request_params(struct arena *a, char *p, size_t len, size_t count) {
    char **params = count <= len ? arena_alloc(a, (count + 1) * sizeof *params) : NULL;

    for (size_t i = 0; params && i < count; i++) {
        const size_t n = strnlen(p, len);

        if (n == len)
            return NULL;
        params[i] = p;
        p += n + 1;
        len -= n + 1;
    }
    return len ? NULL : params;
}

/* Names differ in their length, or in their last character. */
static unsigned bucket_of(size_t len, char last) {
    return ((unsigned)len * 5U + (unsigned char)last) % BUCKETS;
}

static bool is_ambiguous(const struct request *rq, unsigned i, size_t name_len) {
    const char *p = rq->params[i - 1];

    if (name_len < sizeof HTTP_PREFIX - 1 || memcmp(p, HTTP_PREFIX, sizeof HTTP_PREFIX - 1) != 0)
        return false;
    for (unsigned j = rq->index->next[i]; j; j = rq->index->next[j])
        if (!strncmp(rq->params[j - 1], p, name_len + 1) && strcmp(rq->params[j - 1], p) != 0)
            return true;
    return false;
}

bool request_index(struct request *rq) {
    struct params_index *index;
    bool ambiguous = false;
    unsigned count = 0;

    while (rq->params[count])
        count++;
    rq->index = index = arena_alloc(rq->arena, sizeof *index + (count + 1) * sizeof *index->next);
    for (unsigned i = count; i; i--) {
        const char *p = rq->params[i - 1];
        size_t len = (size_t)(strchrnul(p, '=') - p);
        unsigned *first = &index->first[bucket_of(len, len ? p[len - 1] : 0)];

        index->next[i] = *first;
        *first = i;
        ambiguous = ambiguous || is_ambiguous(rq, i, len);
    }
    return !ambiguous;
}

/* The number of the first parameter that may have the name, or of the next one. */
static unsigned candidate(const struct request *rq, unsigned after, unsigned bucket) {
    if (rq->index)
        return after ? rq->index->next[after] : rq->index->first[bucket];
    return rq->params && rq->params[after] ? after + 1 : 0;
}

const char *request_param(const struct request *rq, const char *name) {
    const size_t len = strlen(name);
    const unsigned bucket = bucket_of(len, len ? name[len - 1] : 0);

    for (unsigned i = 0; (i = candidate(rq, i, bucket));) {
        const char *p = rq->params[i - 1];

        if (!strncmp(p, name, len) && p[len] == '=')
            return p + len + 1;
    }
    return NULL;
}

/* CGI (RFC 3875 §4.1.18): HTTP_, upper case, dashes become underscores. */
static char cgi_character(char c) {
    return c == '-' ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static bool is_header(const char *param, const char *name) {
    if (strncmp(param, HTTP_PREFIX, sizeof HTTP_PREFIX - 1) != 0)
        return false;
    for (param += sizeof HTTP_PREFIX - 1; *name; name++, param++)
        if (*param != cgi_character(*name))
            return false;
    return *param == '=';
}

const char *request_header(const struct request *rq, const char *name) {
    const size_t len = strlen(name), prefix = sizeof HTTP_PREFIX - 1;
    const unsigned bucket = bucket_of(prefix + len, len ? cgi_character(name[len - 1]) : '_');

    for (unsigned i = 0; (i = candidate(rq, i, bucket));)
        if (is_header(rq->params[i - 1], name))
            return rq->params[i - 1] + prefix + len + 1;
    return NULL;
}

bool request_has_type(const struct request *rq, const char *media_type) {
    size_t len = strlen(media_type);
    const char *rest;

    if (strncasecmp(rq->content_type, media_type, len) != 0)
        return false;
    rest = rq->content_type + len;
    rest += strspn(rest, " \t");
    return !*rest || *rest == ';';
}

const char *request_cookie(const struct request *rq, const char *name) {
    const char *p = request_header(rq, "cookie");
    size_t len = strlen(name), n;

    while (p && *p) {
        p += strspn(p, " ;");
        n = strcspn(p, ";");
        if (n > len && !strncmp(p, name, len) && p[len] == '=')
            return arena_strndup(rq->arena, p + len + 1, n - len - 1);
        p += n;
    }
    return NULL;
}

/* Behind the quoted string at p (RFC 9110 §5.6.4), which ends with the header at the latest. */
static const char *skip_quoted(const char *p) {
    for (p++; *p && *p != '"'; p++)
        if (*p == '\\' && p[1])
            p++;
    return p + (*p == '"');
}

/* §12.4.2: 0 to 1 with up to three decimals. */
static int read_weight(const char *p) {
    int weight = 0, unit = WEIGHT_MAX;

    if (*p < '0' || *p > '9')
        return WEIGHT_MAX;
    for (; (*p >= '0' && *p <= '9') || *p == '.'; p++) {
        if (*p == '.')
            continue;
        weight += (*p - '0') * unit;
        unit /= 10;
    }
    return weight < WEIGHT_MAX ? weight : WEIGHT_MAX;
}

bool preference_next(const char **at, struct preference *out) {
    const char *p = *at + strspn(*at, " \t,");

    if (!*p)
        return false;
    *out = (struct preference){p, strcspn(p, ";, \t\""), WEIGHT_MAX};
    p += out->len;
    while (*p && *p != ',') {
        if (*p == '"') {
            p = skip_quoted(p);
            continue;
        }
        if (*p++ != ';')
            continue;
        p += strspn(p, " \t");
        if ((*p == 'q' || *p == 'Q') && p[1] == '=')
            out->weight = read_weight(p + 2);
    }
    *at = p;
    return true;
}

static bool is_utf8(const char *s) {
    size_t len = strlen(s);

    return utf8_valid_length(s, len) == len;
}

static enum rc form_add(struct arena *a, const char *pair, size_t len, struct form *out,
                        struct err *e) {
    const char *eq = memchr(pair, '=', len);
    size_t name_len = eq ? (size_t)(eq - pair) : len;
    const char *name = url_decode(a, pair, name_len, true);
    const char *value = eq ? url_decode(a, eq + 1, len - name_len - 1, true) : "";
    bool repeated = false;

    if (!name || !value)
        return invalid_request(e, "a parameter is not properly percent-encoded");
    if (!is_utf8(name) || !is_utf8(value)) /* RFC 6749 appendix B */
        return invalid_request(e, "a parameter is not UTF-8");

    for (size_t i = 0; i < out->count && !repeated; i++)
        repeated = !strcmp(out->fields[i].name, name);
    if (out->count == FORM_FIELDS_MAX)
        return invalid_request(e, "there are more than %d parameters", FORM_FIELDS_MAX);
    out->fields[out->count++] = (struct form_field){name, value, repeated};
    return OK;
}

enum rc form_check_repeated(const struct form *f, const char *only, const char *except,
                            struct err *e) {
    for (const struct form_field *field = f->fields; field < f->fields + f->count; field++)
        if (field->repeated && (!only || !strcmp(field->name, only)) &&
            (!except || strcmp(field->name, except) != 0))
            return invalid_request(e, "a parameter is given more than once");
    return OK;
}

enum rc form_read(struct arena *a, const char *text, size_t len, struct form *out, struct err *e) {
    out->count = 0;
    while (len) {
        const char *amp = memchr(text, '&', len);
        size_t n = amp ? (size_t)(amp - text) : len;

        if (n && form_add(a, text, n, out, e))
            return e->code;
        text += n;
        len -= n;
        if (amp) {
            text++;
            len--;
        }
    }
    return OK;
}

enum rc form_parse(struct arena *a, const char *text, size_t len, struct form *out, struct err *e) {
    return form_read(a, text, len, out, e) ? e->code : form_check_repeated(out, NULL, NULL, e);
}

const char *form_get(const struct form *f, const char *name) {
    for (size_t i = 0; i < f->count; i++)
        if (!strcmp(f->fields[i].name, name))
            return *f->fields[i].value ? f->fields[i].value : NULL;
    return NULL;
}
