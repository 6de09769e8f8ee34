/* A pattern may need exponential time: PCRE2's own limit holds for one position in the string, so
 * long strings are searched in windows, and the deadline is checked between them. */
#include <ctype.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "jsonschema/pattern.h"
#include "jsonschema/schema.h"

#define WINDOW 32         /* start positions between two checks of the deadline */
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

static void pattern_free(void *arg) {
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
        out_of_memory("pcre2", 0);
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
        out_of_memory("pcre2", 0);
    arena_defer(keep, pattern_free, p);
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
        last = p->is_anchored || len - start <= WINDOW ? len : start + WINDOW;
        n = search(p, s, len, start, last);
        if (n >= 0)
            return PATTERN_MATCHES;
        if (n != PCRE2_ERROR_NOMATCH)
            return PATTERN_LIMIT_REACHED;
        start = last + 1;
        while (start < len && ((unsigned char)s[start] & 0xc0) == 0x80)
            start++; /* to where a character begins */
        if (start <= len && clock_monotonic_ms() > deadline_ms)
            return PATTERN_LIMIT_REACHED;
    } while (start <= len);
    return PATTERN_DOES_NOT_MATCH;
}

/* ---- \p{…} of ECMA-262 (§22.2.1, tables 67 to 69). Names are exact there, and loose in PCRE2.
 * ---- */

static const char long_categories[] =
    " Cased_Letter=L& LC=L& Close_Punctuation=Pe Connector_Punctuation=Pc Control=Cc "
    "cntrl=Cc Currency_Symbol=Sc Dash_Punctuation=Pd Decimal_Number=Nd digit=Nd "
    "Enclosing_Mark=Me Final_Punctuation=Pf Format=Cf Initial_Punctuation=Pi Letter=L "
    "Letter_Number=Nl Line_Separator=Zl Lowercase_Letter=Ll Mark=M Combining_Mark=M "
    "Math_Symbol=Sm Modifier_Letter=Lm Modifier_Symbol=Sk Nonspacing_Mark=Mn Number=N "
    "Open_Punctuation=Ps Other=C Other_Letter=Lo Other_Number=No Other_Punctuation=Po "
    "Other_Symbol=So Paragraph_Separator=Zp Private_Use=Co Punctuation=P punct=P "
    "Separator=Z Space_Separator=Zs Spacing_Mark=Mc Surrogate=Cs Symbol=S "
    "Titlecase_Letter=Lt Unassigned=Cn Uppercase_Letter=Lu ";

static const char short_categories[] =
    " C Cc Cf Cn Co Cs L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So "
    "Z Zl Zp Zs ";

static const char binary_properties[] =
    " ASCII ASCII_Hex_Digit AHex Alphabetic Alpha Any Bidi_Control Bidi_C Bidi_Mirrored Bidi_M "
    "Case_Ignorable CI Cased Changes_When_Casefolded CWCF Changes_When_Casemapped CWCM "
    "Changes_When_Lowercased CWL Changes_When_Titlecased CWT Changes_When_Uppercased CWU Dash "
    "Default_Ignorable_Code_Point DI Deprecated Dep Diacritic Dia Emoji Emoji_Component EComp "
    "Emoji_Modifier EMod Emoji_Modifier_Base EBase Emoji_Presentation EPres Extended_Pictographic "
    "ExtPict Extender Ext Grapheme_Base Gr_Base Grapheme_Extend Gr_Ext Hex_Digit Hex "
    "IDS_Binary_Operator IDSB IDS_Trinary_Operator IDST ID_Continue IDC ID_Start IDS Ideographic "
    "Ideo Join_Control Join_C Logical_Order_Exception LOE Lowercase Lower Math "
    "Noncharacter_Code_Point NChar Pattern_Syntax Pat_Syn Pattern_White_Space Pat_WS "
    "Quotation_Mark QMark Radical Regional_Indicator RI Sentence_Terminal STerm Soft_Dotted SD "
    "Terminal_Punctuation Term Unified_Ideograph UIdeo Uppercase Upper Variation_Selector VS "
    "White_Space space XID_Continue XIDC XID_Start XIDS ";

static bool is_in(struct arena *a, const char *list, const char *name) {
    return *name && strstr(list, arena_printf(a, " %s ", name));
}

static const char *category(struct arena *a, const char *name) {
    const char *entry;

    if (is_in(a, short_categories, name))
        return name;
    entry = strstr(long_categories, arena_printf(a, " %s=", name));
    if (!entry)
        return NULL;
    entry = strchr(entry, '=') + 1;
    return arena_strndup(a, entry, strcspn(entry, " "));
}

static bool is_name(const char *s) {
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '_')
            return false;
    return true;
}

/* Of "key=value"; both lie in the arena. */
static const char *valued_property(struct arena *a, const char *key, const char *value) {
    if (is_in(a, " General_Category gc ", key))
        return category(a, value);
    if (!*value || !is_in(a, " Script sc Script_Extensions scx ", key))
        return NULL;
    return arena_printf(a, "%s:%s", is_in(a, " Script sc ", key) ? "sc" : "scx", value);
}

const char *regex_property(struct arena *a, const char *text, size_t len, bool *negated) {
    char *name = arena_strndup(a, text, len), *equals = strchr(name, '=');

    if (equals)
        *equals = 0;
    if (!is_name(name) || (equals && !is_name(equals + 1)))
        return NULL;
    if (equals)
        return valued_property(a, name, equals + 1);
    if (!strcmp(name, "Assigned")) {
        *negated = !*negated;
        return "Cn";
    }
    return is_in(a, binary_properties, name) ? name : category(a, name);
}
