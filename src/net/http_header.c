#include "net/http.h"

#include <strings.h>

const char *http_header(struct arena *a, const struct http_reply *rp, const char *name) {
    const char *joined = NULL;

    for (size_t i = 0; i < rp->field_count; i++)
        if (!strcasecmp(rp->fields[i].name, name))
            joined = joined ? arena_printf(a, "%s, %s", joined, rp->fields[i].value)
                            : rp->fields[i].value;
    return joined;
}
