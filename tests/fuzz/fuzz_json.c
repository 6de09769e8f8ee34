/* base/json.h: whatever is accepted can be written, and what was written is accepted again. */
#include "standalone.h"

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena *a = arena_new((size_t)256 << 20);
    struct json *v, *again;
    struct err e;
    size_t len;

    if (!json_parse(a, (const char *)data, size, &v, &e)) {
        const char *text = json_text(a, v, &len);

        if (json_parse(a, text, len, &again, &e))
            __builtin_trap();
    }
    arena_free(a);
    return 0;
}
