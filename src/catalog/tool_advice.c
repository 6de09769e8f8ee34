/* What MCP allows in a tool, and widely used clients or the model APIs behind them do not. */
#include <string.h>

#include "catalog/tools.h"

#define API_NAME_MAX 64 /* bytes of a function's name, at several model APIs */
#define ADVICE_BYTES_MAX ((size_t)4 << 20)

static void advise_schema(const struct json *schema, const char *where, FILE *out) {
    static const char *const refused[] = {"anyOf", "oneOf", "allOf", "enum", "not", NULL};

    for (const char *const *name = refused; *name; name++)
        if (json_has(schema, *name))
            (void)fprintf(out,
                          "%s: warning: some model APIs refuse an inputSchema with %s at its top; "
                          "put it below properties\n",
                          where, *name);
}

static void advise(const struct tool *tool, const char *where, struct arena *a, FILE *out) {
    const struct text *t = &tool->definition[protocol_index(PROTOCOL_STATELESS)];
    const char *description;
    struct json *v;
    struct err e;

    if (strchr(tool->name, '.'))
        (void)fprintf(out, "%s: warning: some clients refuse a name with a dot (%s)\n", where,
                      tool->name);
    if (strlen(tool->name) > API_NAME_MAX)
        (void)fprintf(out, "%s: warning: some clients refuse a name of more than %d bytes (%s)\n",
                      where, API_NAME_MAX, tool->name);
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

void tool_set_advise(const struct tool_set *set, const char *dir, FILE *out) {
    struct arena *a = arena_new(ADVICE_BYTES_MAX);

    for (size_t i = 0; i < set->count; i++) {
        if (set->tools[i].file)
            advise(&set->tools[i], arena_printf(a, "%s/%s", dir, set->tools[i].file), a, out);
        arena_reset(a);
    }
    arena_free(a);
}
