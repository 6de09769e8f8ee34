#include "web/fcgi_pairs.h"

/* One byte of a length. True when the length is whole. */
static bool take_byte(struct fcgi_pairs *s, unsigned char byte) {
    size_t *length = &s->length[s->which];

    if (s->more) {
        *length = *length << 8 | byte;
        return --s->more == 0;
    }
    *length = byte & 0x7f;
    s->more = byte & 0x80 ? 3 : 0;
    return !s->more;
}

bool fcgi_pairs_take(struct fcgi_pairs *s, const unsigned char *p, size_t len) {
    while (len) {
        if (s->to_skip) {
            size_t n = s->to_skip < len ? s->to_skip : len, name = s->name < n ? s->name : n;

            if (memchr(p, 0, n) || memchr(p, '=', name))
                return false;
            s->name -= name;
            s->to_skip -= n;
            p += n;
            len -= n;
            continue;
        }
        len--;
        if (!take_byte(s, *p++) || ++s->which < 2)
            continue;
        s->which = 0;
        s->to_skip = s->length[0] + s->length[1]; /* each below 2^31 */
        s->name = s->length[0];
        if (s->to_skip > s->max)
            return false;
    }
    return true;
}
