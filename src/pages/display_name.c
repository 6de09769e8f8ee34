#include "pages/display_name.h"

#include "base/base.h"
#include "base/utf8.h"

enum kind { KEPT, SPACE, INVISIBLE, QUOTE };

/* Unicode Standard, PropList (White_Space, Quotation_Mark, Bidi_Control) and
 * DerivedCoreProperties (Default_Ignorable_Code_Point), but for the joiners and variation selectors
 * that names are spelled with; and what looks like one of these. */
static const struct {
    uint32_t first, last;
    enum kind kind;
} special[] = {
    {0, 0x20, SPACE},
    {0x22, 0x22, QUOTE},
    {0x27, 0x27, QUOTE},
    {0x60, 0x60, QUOTE},
    {0x7f, 0xa0, SPACE},
    {0xab, 0xab, QUOTE},
    {0xad, 0xad, INVISIBLE},
    {0xb4, 0xb4, QUOTE},
    {0xbb, 0xbb, QUOTE},
    {0x2b9, 0x2bf, QUOTE},
    {0x2c8, 0x2c8, QUOTE},
    {0x2ca, 0x2cb, QUOTE},
    {0x2dd, 0x2dd, QUOTE},
    {0x2ee, 0x2ee, QUOTE},
    {0x34f, 0x34f, INVISIBLE},
    {0x5f3, 0x5f4, QUOTE},
    {0x61c, 0x61c, INVISIBLE},
    {0x115f, 0x1160, INVISIBLE},
    {0x1680, 0x1680, SPACE},
    {0x17b4, 0x17b5, INVISIBLE},
    {0x180b, 0x180f, INVISIBLE},
    {0x2000, 0x200a, SPACE},
    {0x200b, 0x200b, INVISIBLE},
    {0x200e, 0x200f, INVISIBLE},
    {0x2018, 0x201f, QUOTE},
    {0x2028, 0x2029, SPACE},
    {0x202a, 0x202e, INVISIBLE},
    {0x202f, 0x202f, SPACE},
    {0x2032, 0x2037, QUOTE},
    {0x2039, 0x203a, QUOTE},
    {0x205f, 0x205f, SPACE},
    {0x2060, 0x206f, INVISIBLE},
    {0x275b, 0x2760, QUOTE},
    {0x276e, 0x276f, QUOTE},
    {0x2800, 0x2800, SPACE},
    {0x2e42, 0x2e42, QUOTE},
    {0x3000, 0x3000, SPACE},
    {0x3003, 0x3003, QUOTE},
    {0x3008, 0x3011, QUOTE},
    {0x301d, 0x301f, QUOTE},
    {0x3164, 0x3164, INVISIBLE},
    {0xfe41, 0xfe44, QUOTE},
    {0xfeff, 0xfeff, INVISIBLE},
    {0xff02, 0xff02, QUOTE},
    {0xff07, 0xff07, QUOTE},
    {0xff40, 0xff40, QUOTE},
    {0xff62, 0xff63, QUOTE},
    {0xffa0, 0xffa0, INVISIBLE},
    {0xfff0, 0xfffb, INVISIBLE},
    {0x1bca0, 0x1bca3, INVISIBLE},
    {0x1d173, 0x1d17a, INVISIBLE},
    {0x1f676, 0x1f678, QUOTE},
    {0xe0000, 0xe0fff, INVISIBLE},
};

static enum kind kind_of(uint32_t c) {
    for (size_t i = 0; i < sizeof special / sizeof *special && special[i].first <= c; i++)
        if (c <= special[i].last)
            return special[i].kind;
    return KEPT;
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
    size_t left = utf8_valid_length(name, strlen(name)), len;
    enum kind last = SPACE; /* none at the start, and never two */
    struct buf b;

    buf_init(&b, a, left + 2);
    for (; left; name += len, left -= len) {
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
