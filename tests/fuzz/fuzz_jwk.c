/* A key set, as an identity provider (or whoever answers for it) may send it. */
#include <stdlib.h>

#include "crypto/jose.h"
#include "standalone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct err e = {0};
    struct jwk_set *set = NULL;

    if (jwk_set_parse((const char *)data, size, &set, &e) == OK) {
        if (!set)
            abort();
        (void)jwk_set_find(set, "k");
    } else if (set || e.code != ERR_UPSTREAM) {
        abort();
    }
    jwk_set_free(set);
    return 0;
}
