/* Private part of page.h: names that clients give themselves. */
#include "base/utf8.h"
#include "pages/page.h"

enum kind { KEPT, SPACE, INVISIBLE, QUOTE };

/* Unicode Standard, PropList (White_Space, Quotation_Mark, Bidi_Control) and
 * DerivedCoreProperties (Default_Ignorable_Code_Point), but for the joiners and variation selectors
 * that names are spelled with; and what looks like one of these. */
struct range {
    uint32_t first, last;
};
static const struct range spaces[] = {
    {0, 0x20},        {0x7f, 0xa0},     {0x1680, 0x1680}, {0x2000, 0x200a}, {0x2028, 0x2029},
    {0x202f, 0x202f}, {0x205f, 0x205f}, {0x2800, 0x2800}, {0x3000, 0x3000},
};
static const struct range invisible[] = {
    {0xad, 0xad},       {0x34f, 0x34f},     {0x61c, 0x61c},   {0x115f, 0x1160}, {0x17b4, 0x17b5},
    {0x180b, 0x180f},   {0x200b, 0x200b},   {0x200e, 0x200f}, {0x202a, 0x202e}, {0x2060, 0x206f},
    {0x3164, 0x3164},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0x1bca0, 0x1bca3},
    {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};
static const struct range quotes[] = {
    {0x22, 0x22},     {0x27, 0x27},       {0x60, 0x60},     {0xab, 0xab},     {0xb4, 0xb4},
    {0xbb, 0xbb},     {0x2b9, 0x2bf},     {0x2c8, 0x2c8},   {0x2ca, 0x2cb},   {0x2dd, 0x2dd},
    {0x2ee, 0x2ee},   {0x5f3, 0x5f4},     {0x2018, 0x201f}, {0x2032, 0x2037}, {0x2039, 0x203a},
    {0x275b, 0x2760}, {0x276e, 0x276f},   {0x2e42, 0x2e42}, {0x3003, 0x3003}, {0x3008, 0x3011},
    {0x301d, 0x301f}, {0xfe41, 0xfe44},   {0xff02, 0xff02}, {0xff07, 0xff07}, {0xff40, 0xff40},
    {0xff62, 0xff63}, {0x1f676, 0x1f678},
};

static bool in_ranges(uint32_t c, const struct range *ranges, size_t count) {
    for (size_t i = 0; i < count && ranges[i].first <= c; i++)
        if (c <= ranges[i].last)
            return true;
    return false;
}

static enum kind kind_of(uint32_t c) {
    return in_ranges(c, spaces, sizeof spaces / sizeof *spaces)            ? SPACE
           : in_ranges(c, invisible, sizeof invisible / sizeof *invisible) ? INVISIBLE
           : in_ranges(c, quotes, sizeof quotes / sizeof *quotes)          ? QUOTE
                                                                           : KEPT;
}

/* One character of UTF-8 that is known to be whole; *len bytes long. */
static uint32_t decode(const unsigned char *s, size_t *len) {
    uint32_t c = *s < 0x80 ? *s : *s < 0xe0 ? *s & 0x1fU : *s < 0xf0 ? *s & 0xfU : *s & 7U;

    *len = *s < 0x80 ? 1 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
    for (size_t i = 1; i < *len; i++)
        c = c << 6 | (s[i] & 0x3fU);
    return c;
}

const char *display_name(struct arena *a, const char *name) {
    size_t remaining = utf8_valid_length(name, strlen(name)), len;
    enum kind last = SPACE; /* so that none is at the start, and never two together */
    struct buf b;

    buf_init(&b, a, remaining + 2);
    for (; remaining; name += len, remaining -= len) {
        enum kind kind = kind_of(decode((const unsigned char *)name, &len));

        if (kind == INVISIBLE || (kind != KEPT && kind == last))
            continue;
        if (kind == KEPT)
            buf_add(&b, name, len);
        else
            buf_addc(&b, kind == SPACE ? ' ' : '\'');
        last = kind;
    }
    if (b.len && b.p[b.len - 1] == ' ')
        b.p[--b.len] = 0;
    return b.len ? b.p : "?";
}
