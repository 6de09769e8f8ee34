/* A manifest that an admin drops into a directory. By its first byte an input is one of a tool (t),
 * a resource (r) or a prompt (p), or (u) a URI template, a line, a URI, a line, and a JSON value
 * with {{names}} in it. */
#include "base/url.h"
#include "catalog/catalog.h"
#include "catalog/program.h"
#include "catalog/template.h"
#include "catalog/tools.h"
#include "config/config.h"
#include "exec/executor.h"
#include "input.h"
#include "standalone.h"

#define TEXT_MAX ((size_t)8 << 20)

/* What clients are shown is JSON, for both kinds of protocol versions. */
static void check_list(struct arena *a, struct list *l, size_t count) {
    struct json *v;
    struct err e;

    MUST(list_make_first_pages(l));
    for (int protocol = 0; protocol < 2; protocol++) {
        MUST(!json_parse(a, l->first_page[protocol].p, l->first_page[protocol].len, &v, &e));
        MUST(json_len(json_get(v, l->member)) == count);
        for (size_t i = 0; i < count; i++) {
            const struct json *shown = json_at(json_get(v, l->member), i);

            MUST(manifest_is_name(json_get_str(shown, "name")) && !json_has(shown, "run"));
        }
    }
}

static void check_entry(const struct entry *entry) {
    const char *scopes = entry->access.scopes;
    const struct program *p = entry->source.spec;

    MUST(scopes && is_plain_line(scopes, strlen(scopes)) && !strpbrk(scopes, "\"\\"));
    if (entry->source.kind != &program_source)
        return;
    MUST(*p->argv[0] == '/' && *p->dir == '/' && p->output_max >= 1);
    MUST(entry->source.timeout_ms >= 1 && entry->source.timeout_ms <= TASK_TIMEOUT_MS_MAX);
}

static void check_tool(const struct entry *entry) {
    const struct tool *tool = (const struct tool *)entry;

    for (size_t i = 0; i < tool->headers.count; i++)
        MUST(!strncmp(tool->headers.list[i].header, "mcp-param-", 10));
}

static void check_resource(const struct entry *entry) {
    const struct resource *r = (const struct resource *)entry;

    MUST((entry->source.kind != NULL) + (r->path != NULL) + (r->content != NULL) <= 1);
    MUST(r->max_bytes >= 1 && r->max_bytes <= RESOURCE_BYTES_MAX && r->ttl_ms >= 0);
}

static void check_prompt(const struct entry *entry) {
    MUST(entry->source.kind || prompt_messages_are_valid(((const struct prompt *)entry)->messages));
}

static unsigned try_set(struct arena *a, const struct config *config, enum catalog_kind kind,
                        FILE *problems) {
    static void (*const checks[CATALOG_KINDS])(const struct entry *) = {check_tool, check_resource,
                                                                        check_prompt};
    struct catalog *catalog = catalog_new(config, &executor_sources);
    unsigned bad = catalog_load(catalog, kind, problems);
    struct catalog_set *set = catalog->sets[kind];
    size_t listed = 0;

    MUST(set->count == (kind == CATALOG_TOOLS ? executor_sources.builtin_count : 0) + !bad);
    for (size_t i = 0; i < CATALOG_LISTS_MAX && set->kind->lists[i].member; i++) {
        check_list(a, &set->lists[i], set->lists[i].count);
        listed += set->lists[i].count;
        for (size_t n = 0; n < set->lists[i].count; n++) {
            const struct entry *entry = set->lists[i].entries[n];

            MUST(catalog_set_find(set, entry->key) == entry);
            check_entry(entry);
            checks[kind](entry);
        }
    }
    MUST(listed == set->count);
    catalog_free(catalog);
    return bad;
}

static void try_manifest(struct arena *a, char kind, const uint8_t *data, size_t size) {
    const char *dir = fuzz_path(a, "manifests");
    const struct config config = {.server.info = "{}",
                                  .tools_dir = kind == 't' ? dir : "",
                                  .resources_dir = kind == 'r' ? dir : "",
                                  .prompts_dir = kind == 'p' ? dir : ""};
    unsigned bad;
    size_t len;
    char *text;
    FILE *problems = open_memstream(&text, &len);

    MUST(problems);
    (void)mkdir(dir, 0700);
    fuzz_write(arena_printf(a, "%s/m.json", dir), data, size, 0600);
    bad = try_set(a, &config,
                  kind == 't'   ? CATALOG_TOOLS
                  : kind == 'r' ? CATALOG_RESOURCES
                                : CATALOG_PROMPTS,
                  problems);
    MUST(!fclose(problems));
    MUST(bad <= 1 && count_problems(text, len) == bad);
    free(text);
}

/* The URI that the values give when they are put into the template again. */
static const char *put_in(struct arena *a, const char *t, const struct json *values) {
    struct buf b;

    buf_init(&b, a, TEXT_MAX);
    while (*t) {
        size_t n = strcspn(t, "{");
        const char *name, *value;

        buf_add(&b, t, n);
        t += n;
        if (!*t)
            break;
        name = t + (t[1] == '+' ? 2 : 1);
        t = strchr(t, '}') + 1;
        value = json_get_str(values, arena_strndup(a, name, (size_t)(t - 1 - name)));
        MUST(value && *value);
        url_encode(&b, value);
    }
    return b.p;
}

/* {name} stands for a part without a slash. */
static bool has_slash(struct arena *a, const char *t, const struct json *values) {
    for (struct json_member m = json_first(values); m.key; json_next(&m))
        if (strstr(t, arena_printf(a, "{%s}", m.key)) && strchr(json_str(m.value), '/'))
            return true;
    return false;
}

static void try_template(struct arena *a, const char *t, const char *uri, const char *text,
                         size_t len) {
    struct json *names = json_new_object(a), *values, *v, *out;
    struct err e = {0};
    size_t out_len, steps = URI_TEMPLATE_STEPS_MAX;

    if (uri_template_check(a, t, names, &e)) {
        MUST(*e.text && is_plain_line(e.text, strlen(e.text)));
        return;
    }
    if (uri_template_match(a, t, uri, &steps, &values)) {
        const char *same = put_in(a, t, values), *left, *right;

        MUST(json_size(values) == json_size(names) && !has_slash(a, t, values));
        left = url_decode(a, same, strlen(same), false);
        right = url_decode(a, uri, strlen(uri), false);
        MUST(!left || !right || !strcmp(left, right));
    } else {
        values = names; /* all of them empty */
    }
    if (json_parse(a, text, len, &v, &e) || template_unknown_name(a, v, names))
        return;
    out = template_expand(a, v, values);
    if (!out) /* null, or too long */
        return;
    text = json_text(a, out, &out_len);
    MUST(!json_parse(a, text, out_len, &out, &e));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena *a = arena_new(ARENA_BYTES);
    const char *t, *uri;
    char kind = size ? (char)*data : 0;

    if (size > 16384 || !kind || !strchr("trpu", kind)) {
        arena_free(a);
        return 0;
    }
    data++;
    size--;
    if (kind == 'u') {
        t = take_line_of(a, &data, &size);
        uri = take_line_of(a, &data, &size);
        try_template(a, t, uri, (const char *)data, size);
    } else {
        try_manifest(a, kind, data, size);
    }
    arena_free(a);
    return 0;
}
