/* Private part of app.h: mcp-authd new-tool, which writes a manifest, a program and its test. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/app.h"
#include "base/builtin_file.h"
#include "base/file.h"
#include "base/problems.h"
#include "base/text.h"
#include "catalog/catalog.h"
#include "exec/executor.h"

#define NEW_TOOL_ARENA_MAX (1 << 20)
#define FILE_BYTES_MAX 65536
#define MANIFEST_END ".json"

BUILTIN_FILE(new_tool_manifest, "share/new-tool/tool.json");
BUILTIN_FILE(new_tool_test, "share/new-tool/test.sh");
BUILTIN_FILE(new_tool_sh, "share/new-tool/tool.sh");
BUILTIN_FILE(new_tool_python, "share/new-tool/tool.py");
BUILTIN_FILE(new_tool_c, "share/new-tool/tool.c");
BUILTIN_FILE(new_tool_node, "share/new-tool/tool.mjs");
extern const char new_tool_manifest[], new_tool_test[], new_tool_sh[], new_tool_python[],
    new_tool_c[], new_tool_node[];

static const struct language {
    const char *word;
    const char *source, *program; /* what the files' names end in */
    const char *text;
} languages[] = {{"sh", ".sh", ".sh", new_tool_sh},
                 {"python", ".py", ".py", new_tool_python},
                 {"c", ".c", "", new_tool_c},
                 {"node", ".mjs", ".mjs", new_tool_node}};
#define LANGUAGE_COUNT (sizeof languages / sizeof *languages)

struct new_tool {
    struct arena *arena;
    const char *dir, *name;
    const struct language *language;
};

enum { MANIFEST, PROGRAM, TEST, FILES };

struct new_file {
    const char *path;
    mode_t mode;
    const char *text;
};

/* The text with the tool's names in the place of {{name}} and {{program}}. */
static struct text fill(const struct new_tool *t, const char *text) {
    const char *end = text + strlen(text);
    struct placeholder p;
    struct buf b;

    buf_init(&b, t->arena, FILE_BYTES_MAX);
    while (placeholder_next(text, end, &p) && p.end) {
        buf_add(&b, text, (size_t)(p.start - text));
        if (text_equal(p.inner, TEXT_LITERAL("name")))
            buf_adds(&b, t->name);
        else if (text_equal(p.inner, TEXT_LITERAL("program")))
            buf_addf(&b, "%s%s", t->name, t->language->program);
        else
            abort(); /* the files are ours */
        text = p.end;
    }
    buf_adds(&b, text);
    return (struct text){b.p, b.len};
}

/* Never in the place of another file. The mode is the same whatever the umask: the service's user
 * must be able to read them. */
static bool write_file(const struct new_tool *t, const struct new_file *f) {
    const struct text text = fill(t, f->text);

    if (file_write_new(f->path, &text, f->mode, true))
        return true;
    (void)fprintf(stderr, "mcp-authd new-tool: %s: %s\n", f->path, strerror(errno));
    return false;
}

/* All of them or none. */
static bool write_files(const struct new_tool *t, const struct new_file files[FILES]) {
    for (int i = 0; i < FILES; i++) {
        if (write_file(t, &files[i]))
            continue;
        while (i-- > 0)
            (void)unlink(files[i].path);
        return false;
    }
    return true;
}

/* Writes what a worker would say of the manifest, such as an interpreter that is not installed. */
static void print_problems(const struct new_tool *t) {
    const struct config config = {.tools_dir = t->dir,
                                  .resources_dir = "",
                                  .prompts_dir = "",
                                  .skills_dir = "",
                                  .servers_dir = "",
                                  .access_file = ""};
    struct catalog *catalog = catalog_new(&config, &executor_sources);
    const char *path = arena_printf(t->arena, "%s/%s" MANIFEST_END ":", t->dir, t->name);
    struct problems p;

    problems_begin(&p);
    (void)catalog_load(catalog, CATALOG_TOOLS, p.f);
    for (const char *line; (line = problems_next(&p));)
        if (!strncmp(line, path, strlen(path)))
            (void)fprintf(stderr, "%s\n", line);
    catalog_free(catalog);
}

/* The names of a manifest, except those that make no file which is read. */
static const char *name_fault(const char *name) {
    if (!manifest_is_name(name))
        return "must be 1 to 128 of A-Z a-z 0-9 _ - .";
    if (*name == '.')
        return "must not begin with a dot: such files are not read";
    if (text_ends_with(name, MANIFEST_END))
        return "must not end in " MANIFEST_END ", as manifests do";
    for (size_t i = 0; i < BUILTIN_TOOLS; i++)
        if (!strcmp(name, builtin_tools[i].entry.name))
            return "is the name of a built-in tool";
    return NULL;
}

static const struct language *find_language(const char *word) {
    for (size_t i = 0; i < LANGUAGE_COUNT; i++)
        if (!strcmp(languages[i].word, word))
            return &languages[i];
    (void)fprintf(stderr, "mcp-authd new-tool: --lang %s is none of " NEW_TOOL_LANGUAGES "\n",
                  word);
    return NULL;
}

/* As a shell reads it: sh(1), "Quoting". */
static const char *shell_word(struct arena *a, const char *s) {
    struct buf b;

    if (*s && !s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-")])
        return s;
    buf_init(&b, a, 4 * strlen(s) + 3);
    buf_adds(&b, "'");
    for (; *s; s++)
        if (*s == '\'')
            buf_adds(&b, "'\\''");
        else
            buf_add(&b, s, 1);
    buf_adds(&b, "'");
    return b.p;
}

static void print_next_steps(const struct new_tool *t, const struct new_file files[FILES]) {
    for (int i = 0; i < FILES; i++)
        (void)printf("%s\n", files[i].path);
    if (!*t->language->program)
        (void)printf("Compile it: see the first lines of %s\n", files[PROGRAM].path);
    (void)printf("Test it: %s\n", shell_word(t->arena, files[TEST].path));
    (void)printf("Call it: %s call --dir %s %s%s '{\"who\": \"Ada\"}'\n",
                 shell_word(t->arena, program_invocation_name), shell_word(t->arena, t->dir),
                 *t->name == '-' ? "-- " : "", t->name);
}

bool app_new_tool(const char *dir, const char *name, const char *language) {
    struct new_tool t = {.dir = dir, .name = name, .language = find_language(language)};
    const char *fault = name_fault(name);
    bool ok;

    if (fault)
        (void)fprintf(stderr, "mcp-authd new-tool: the name %s\n", fault);
    if (fault || !t.language)
        return false;
    t.arena = arena_new(NEW_TOOL_ARENA_MAX);
    struct new_file files[FILES] = {
        [MANIFEST] = {arena_printf(t.arena, "%s/%s" MANIFEST_END, dir, name), 0644,
                      new_tool_manifest},
        [PROGRAM] = {arena_printf(t.arena, "%s/%s%s", dir, name, t.language->source),
                     *t.language->program ? 0755 : 0644, t.language->text},
        [TEST] = {arena_printf(t.arena, "%s/%s.test.sh", dir, name), 0755, new_tool_test}};
    ok = write_files(&t, files);
    if (ok)
        print_next_steps(&t, files);
    if (ok && *t.language->program)
        print_problems(&t);
    arena_free(t.arena);
    return ok;
}
