/* A pattern may need exponential time: PCRE2's own limit holds for one place in the string, so long
 * strings are searched in stretches, and the clock is looked at in between. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "jsonschema/pattern.h"
#include "jsonschema/schema.h"

#define STRETCH 32        /* places in the string between two looks at the clock */
#define HEAP_KIB_MAX 8192 /* for backtracking */
#define NESTING_MAX 100   /* groups within groups */
#define OPTIONS                                                                                    \
    (PCRE2_UTF | PCRE2_ALT_BSUX | PCRE2_ALLOW_EMPTY_CLASS | PCRE2_DOLLAR_ENDONLY |                 \
     PCRE2_MATCH_UNSET_BACKREF | PCRE2_NEVER_BACKSLASH_C | PCRE2_NEVER_UCP |                       \
     PCRE2_USE_OFFSET_LIMIT)

struct pattern {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *limits;
    bool is_anchored; /* it can match at the start alone */
};

static void release(void *arg) {
    struct pattern *p = arg;

    pcre2_match_context_free(p->limits);
    pcre2_match_data_free(p->data);
    pcre2_code_free(p->code);
}

static pcre2_code *compile(const char *regex, size_t len, const char **why, struct arena *keep) {
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    unsigned char text[128];
    int error = 0;
    size_t offset;
    pcre2_code *code;

    if (!context)
        (void)xmalloc((size_t)-1 / 2);
    (void)pcre2_set_parens_nest_limit(context, NESTING_MAX);
    (void)pcre2_set_compile_extra_options(context, PCRE2_EXTRA_ALT_BSUX); /* \u{…} */
    code = pcre2_compile((PCRE2_SPTR)regex, len, OPTIONS, &error, &offset, context);
    pcre2_compile_context_free(context);
    if (code)
        return code;
    (void)pcre2_get_error_message(error, text, sizeof text);
    *why = arena_strdup(keep, (const char *)text);
    return NULL;
}

struct pattern *pattern_compile(struct arena *keep, const char *regex, size_t len,
                                const char **why) {
    struct pattern *p = arena_alloc(keep, sizeof *p);
    uint32_t options = 0;

    p->code = compile(regex, len, why, keep);
    if (!p->code)
        return NULL;
    p->data = pcre2_match_data_create(1, NULL);
    p->limits = pcre2_match_context_create(NULL);
    if (!p->data || !p->limits)
        (void)xmalloc((size_t)-1 / 2);
    arena_defer(keep, release, p);
    (void)pcre2_set_match_limit(p->limits, SCHEMA_BACKTRACKS_MAX);
    (void)pcre2_set_depth_limit(p->limits, SCHEMA_BACKTRACKS_MAX);
    (void)pcre2_set_heap_limit(p->limits, HEAP_KIB_MAX);
    (void)pcre2_pattern_info(p->code, PCRE2_INFO_ALLOPTIONS, &options);
    p->is_anchored = options & PCRE2_ANCHORED;
    /* Where memory may not be made executable this fails, and the interpreter does the work. */
    (void)pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE);
    return p;
}

/* Is there a match that begins at start or up to `last`? */
static int search(const struct pattern *p, const char *s, size_t len, size_t start, size_t last) {
    int n;

    (void)pcre2_set_offset_limit(p->limits, last);
    n = pcre2_match(p->code, (PCRE2_SPTR)s, len, start, PCRE2_NO_UTF_CHECK, p->data, p->limits);
    if (n == PCRE2_ERROR_JIT_STACKLIMIT) /* the interpreter has more room */
        n = pcre2_match(p->code, (PCRE2_SPTR)s, len, start, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                        p->data, p->limits);
    return n;
}

enum pattern_result pattern_match(const struct pattern *p, const char *s, size_t len,
                                  int64_t deadline_ms) {
    size_t start = 0, last;
    int n;

    do {
        last = p->is_anchored || len - start <= STRETCH ? len : start + STRETCH;
        n = search(p, s, len, start, last);
        if (n >= 0)
            return PATTERN_YES;
        if (n != PCRE2_ERROR_NOMATCH)
            return PATTERN_GAVE_UP;
        start = last + 1;
        while (start < len && ((unsigned char)s[start] & 0xc0) == 0x80)
            start++; /* to where a character begins */
        if (start <= len && clock_monotonic_ms() > deadline_ms)
            return PATTERN_GAVE_UP;
    } while (start <= len);
    return PATTERN_NO;
}
