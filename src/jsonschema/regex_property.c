/* Private part of pattern.h: \p{…} of ECMA-262 (§22.2.1, tables 67 to 69). Names are exact there,
 * and loose in PCRE2. */
#include <ctype.h>
#include <string.h>

#include "jsonschema/pattern.h"

static const char long_categories[] =
    " Cased_Letter=L& LC=L& Close_Punctuation=Pe Connector_Punctuation=Pc Control=Cc "
    "cntrl=Cc Currency_Symbol=Sc Dash_Punctuation=Pd Decimal_Number=Nd digit=Nd "
    "Enclosing_Mark=Me Final_Punctuation=Pf Format=Cf Initial_Punctuation=Pi Letter=L "
    "Letter_Number=Nl Line_Separator=Zl Lowercase_Letter=Ll Mark=M Combining_Mark=M "
    "Math_Symbol=Sm Modifier_Letter=Lm Modifier_Symbol=Sk Nonspacing_Mark=Mn Number=N "
    "Open_Punctuation=Ps Other=C Other_Letter=Lo Other_Number=No Other_Punctuation=Po "
    "Other_Symbol=So Paragraph_Separator=Zp Private_Use=Co Punctuation=P punct=P "
    "Separator=Z Space_Separator=Zs Spacing_Mark=Mc Surrogate=Cs Symbol=S "
    "Titlecase_Letter=Lt Unassigned=Cn Uppercase_Letter=Lu Script==sc: sc==sc: "
    "Script_Extensions==scx: scx==scx: ";

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
static const char *valued(struct arena *a, const char *key, const char *value) {
    static const char *const keys[][2] = {
        {"General_Category", NULL},    {"gc", NULL},   {"Script", "sc:"}, {"sc", "sc:"},
        {"Script_Extensions", "scx:"}, {"scx", "scx:"}};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (strcmp(key, keys[i][0]) != 0)
            continue;
        if (!keys[i][1])
            return category(a, value);
        return *value ? arena_printf(a, "%s%s", keys[i][1], value) : NULL;
    }
    return NULL;
}

const char *regex_property(struct arena *a, const char *text, size_t len, bool *negated) {
    char *name = arena_strndup(a, text, len), *equals = strchr(name, '=');

    if (equals)
        *equals = 0;
    if (!is_name(name) || (equals && !is_name(equals + 1)))
        return NULL;
    if (equals)
        return valued(a, name, equals + 1);
    if (!strcmp(name, "Assigned")) {
        *negated = !*negated;
        return "Cn";
    }
    return is_in(a, binary_properties, name) ? name : category(a, name);
}
