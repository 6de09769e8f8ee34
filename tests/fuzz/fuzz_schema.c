/* {"schema":…,"instance":…}: whatever the schema, compiling ends with a schema or a reason, and a
 * check with a verdict within its bounds. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "jsonschema/schema.h"
#include "standalone.h"

static void expect_text(const char *text) {
    if (utf8_valid_length(text, strlen(text)) != strlen(text))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena *a = arena_new((size_t)256 << 20);
    struct schema_error why;
    struct schema *schema = NULL;
    struct json *v;
    struct err e = {0};

    if (json_parse(a, (const char *)data, size, &v, &e) == OK) {
        if (schema_compile(a, json_get(v, "schema"), &schema, &e)) {
            if (schema || e.code != ERR_INVALID_REQUEST || !*e.text)
                abort();
        } else if (schema_check(schema, json_get(v, "instance"), a, &why)) {
            if (!*why.reason)
                abort();
            expect_text(why.reason);
            expect_text(why.instance);
            expect_text(why.keyword);
        }
    }
    arena_free(a);
    return 0;
}
