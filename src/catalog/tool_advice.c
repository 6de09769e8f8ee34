/* Private part of tools.h: warns of what MCP allows in a tool but widely used clients refuse. */
#include <string.h>

#include "catalog/tools.h"

#define API_NAME_MAX 64 /* bytes of a function's name, at several model APIs */

static void advise_schema(const struct json *schema, const char *where, FILE *out) {
    static const char *const refused[] = {"anyOf", "oneOf", "allOf", "enum", "not", NULL};

    for (const char *const *name = refused; *name; name++)
        if (json_has(schema, *name))
            (void)fprintf(out,
                          "%s: warning: some model APIs refuse an inputSchema with %s at its top; "
                          "put it below properties\n",
                          where, *name);
}

void tool_advise(const struct entry *entry, const char *where, struct arena *a, FILE *out) {
    const struct text *t = &entry->definition[protocol_index(PROTOCOL_STATELESS)];
    const char *description;
    struct json *v;
    struct err e;

    if (strchr(entry->name, '.'))
        (void)fprintf(out, "%s: warning: some clients refuse a name with a dot (%s)\n", where,
                      entry->name);
    if (strlen(entry->name) > API_NAME_MAX)
        (void)fprintf(out, "%s: warning: some clients refuse a name of more than %d bytes (%s)\n",
                      where, API_NAME_MAX, entry->name);
    if (json_parse(a, t->p, t->len, &v, &e))
        return;
    description = json_get_str(v, "description");
    if (!description || !*description)
        (void)fprintf(out,
                      "%s: warning: there is no description, by which models choose a tool; some "
                      "clients leave it out\n",
                      where);
    advise_schema(json_get(v, "inputSchema"), where, out);
}
