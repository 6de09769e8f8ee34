#include "catalog/skills.h"

#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/url.h"
#include "base/utf8.h"
#include "catalog/front_matter.h"

#define URI_BYTES_MAX ((size_t)8192) /* three for each byte of a path, and the rest */
#define DOCUMENT_TYPE "text/markdown"
#define FOLDER_TYPE "inode/directory" /* SEP-2640 "Directory Resources" */

/* ---- files ---- */

/* NULL: unknown. */
static const char *mime_of(const char *path) {
    static const char *const types[][2] = {
        {".md", DOCUMENT_TYPE},        {".txt", "text/plain"},        {".html", "text/html"},
        {".css", "text/css"},          {".csv", "text/csv"},          {".js", "text/javascript"},
        {".mjs", "text/javascript"},   {".py", "text/x-python"},      {".sh", "application/x-sh"},
        {".json", "application/json"}, {".yaml", "application/yaml"}, {".yml", "application/yaml"},
        {".xml", "application/xml"},   {".pdf", "application/pdf"},   {".zip", "application/zip"},
        {".svg", "image/svg+xml"},     {".png", "image/png"},         {".jpg", "image/jpeg"},
        {".jpeg", "image/jpeg"},       {".gif", "image/gif"},         {".webp", "image/webp"},
        {".toml", "application/toml"}};
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
        if (!strcasecmp(dot, types[i][0]))
            return types[i][1];
    return NULL;
}

/* "" for the skill's own folder. */
static const char *uri_of(struct arena *a, const char *name, const char *path) {
    struct buf b;

    buf_init(&b, a, URI_BYTES_MAX);
    buf_addf(&b, SKILL_SCHEME "%s%s", name, *path ? "/" : "");
    url_encode_bytes(&b, path, strlen(path), '/');
    return b.p;
}

static bool is_document(const struct skill_file *f) {
    return !strcmp(f->path, SKILL_DOCUMENT);
}

/* The name of SKILL.md is the skill's (SEP-2640 "Resource Metadata"). */
struct json *skill_file_definition(struct arena *a, const struct skill *s,
                                   const struct skill_file *f) {
    const char *slash = strrchr(f->path, '/');
    struct json *v = json_new_object(a);

    json_put_str(v, "uri", uri_of(a, s->entry.name, f->path));
    json_put_str(v, "name", is_document(f) ? s->entry.name : slash ? slash + 1 : f->path);
    if (is_document(f))
        json_put_str(v, "description", s->description);
    json_put_str(v, "mimeType", f->is_folder ? FOLDER_TYPE : mime_of(f->path));
    if (!f->is_folder)
        json_put_int(v, "size", (int64_t)f->size);
    return v;
}

static void fill_resource(struct resource *r, struct arena *a, const struct skill *s,
                          const struct skill_file *f) {
    *r = (struct resource){.mime = mime_of(f->path),
                           .path = arena_printf(a, "%s/%s", s->folder, f->path),
                           .folder = s->folder,
                           .max_bytes = SKILL_FILES_BYTES_MAX};
    r->entry.key = uri_of(a, s->entry.name, f->path);
    r->entry.name = r->entry.key;
    r->entry.access = s->entry.access;
    r->entry.is_foreign = true;
}

/* ---- reading ---- */

/* Agent Skills: a-z, 0-9 and single hyphens that are neither first nor last. */
static bool is_name(const char *s) {
    const size_t len = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");

    return len && len <= SKILL_NAME_MAX && !s[len] && *s != '-' && s[len - 1] != '-' &&
           !strstr(s, "--");
}

/* UTF-8 that has been checked. */
static size_t characters(const char *s) {
    size_t n = 0;

    for (; *s; s++)
        n += (*s & 0xc0) != 0x80;
    return n;
}

static enum rc fault_in(const struct manifest *m, const char *file) {
    m->e->position.file = file;
    return m->e->code;
}

/* An optional file, with the members of "run" that say who may use the skill. */
static enum rc read_access(const struct manifest *m, struct entry *entry) {
    static const char *const names[] = {ACCESS_MEMBERS, NULL};
    struct json *v = json_new_object(m->scratch);
    const char *file = arena_printf(m->scratch, "%s.json", m->file);
    const char *path = arena_printf(m->scratch, "%s/%s", m->dir, file);
    struct stat st;

    if (!lstat(path, &st) && json_parse_file(m->scratch, path, MANIFEST_BYTES_MAX, &v, m->e))
        return fault_in(m, file);
    if (!json_is_object(v))
        (void)manifest_error(m, "it", "must be a JSON object");
    else if (!manifest_check_members(m, v, names, "") && !access_read(m, v, &entry->access))
        return OK;
    return fault_in(m, file);
}

static const char *check_text(const struct json *front_matter, const char *member, size_t max) {
    const char *s = json_get_str(front_matter, member);

    return s && *s && characters(s) <= max ? s : NULL;
}

static enum rc check_front_matter(const struct manifest *m, const struct json *v) {
    const char *name = json_get_str(v, "name");

    if (!name || strcmp(name, m->file) != 0)
        return manifest_errorf(m, "its name is \"%s\", and must be that of the folder, \"%s\"",
                               name ? text_quotable(m->scratch, name) : "", m->file);
    if (!check_text(v, "description", SKILL_DESCRIPTION_MAX))
        return manifest_errorf(m, "its description must be a text of 1 to %d characters",
                               SKILL_DESCRIPTION_MAX);
    if (json_has(v, "compatibility") && !check_text(v, "compatibility", SKILL_COMPATIBILITY_MAX))
        return manifest_errorf(m, "its compatibility must be a text of 1 to %d characters",
                               SKILL_COMPATIBILITY_MAX);
    if (json_has(v, "metadata") && !json_is_object(json_get(v, "metadata")))
        return manifest_errorf(m, "its metadata must be a mapping");
    return OK;
}

static enum rc read_document(const struct manifest *m, const struct skill *s, struct json **out) {
    struct text t;
    const char *why;
    char *text;
    ssize_t len;
    const struct skill_file *f = skill_files_find(&s->files, SKILL_DOCUMENT);
    int fd;

    if (!f || f->is_folder)
        return manifest_errorf(m, "there is no " SKILL_DOCUMENT " in it");
    fd = file_open_below(s->folder, SKILL_DOCUMENT, &why);
    if (fd < 0)
        return manifest_errorf(m, "%s", why);
    text = arena_alloc(m->scratch, f->size + 1);
    len = file_read_all(fd, text, f->size);
    (void)close(fd);
    t = (struct text){text, len < 0 ? 0 : (size_t)len};
    if (utf8_valid_length(t.p, t.len) != t.len || memchr(t.p, 0, t.len))
        return manifest_errorf(m, "not valid UTF-8: save the file as UTF-8");
    return front_matter_read(m->scratch, t, out, m->e) ? m->e->code : check_front_matter(m, *out);
}

/* What skills/list and skills/get show (SEP-2640 "Skill Entries"). */
static struct text definition(const struct manifest *m, const struct skill *s,
                              struct json *front_matter) {
    struct json *v = json_new_object(m->scratch), *resources = json_new_array(m->scratch);

    for (size_t i = 0; i < s->files.count; i++) {
        const struct skill_file *f = &s->files.list[i];
        struct json *resource = json_new_object(m->scratch);

        if (f->is_folder)
            continue;
        json_put_str(resource, "uri", uri_of(m->scratch, s->entry.name, f->path));
        json_put_str(resource, "digest", arena_printf(m->scratch, "sha256:%s", f->digest));
        json_put_int(resource, "size", (int64_t)f->size);
        json_add(resources, resource);
    }
    json_put_str(v, "uri", s->entry.key);
    json_put(v, "frontmatter", front_matter);
    json_put(v, "resources", resources);
    return json_as_text(m->keep, v);
}

static void fill(const struct manifest *m, struct skill *s, struct json *front_matter) {
    const struct skill_file *f = skill_files_find(&s->files, SKILL_DOCUMENT);
    const struct text shown = definition(m, s, front_matter);
    struct text of_document;

    s->description = arena_strdup(m->keep, json_get_str(front_matter, "description"));
    fill_resource(&s->document, m->keep, s, f);
    s->document.entry.file = arena_printf(m->keep, "the skill %s", s->entry.name);
    of_document = json_as_text(m->keep, skill_file_definition(m->scratch, s, f));
    for (size_t i = 0; i < PROTOCOL_KINDS; i++) {
        s->entry.definition[i] = shown;
        s->document.entry.definition[i] = of_document;
    }
}

static enum rc read_skill(const struct manifest *m, struct entry *out) {
    struct skill *s = (struct skill *)out;
    struct json *front_matter = NULL;
    struct stat st;

    s->folder = arena_printf(m->keep, "%s/%s", m->given_dir, m->file);
    s->entry.name = arena_strdup(m->keep, m->file);
    if (stat(s->folder, &st) || !S_ISDIR(st.st_mode))
        return manifest_errorf(m, "there is no such folder, only %s.json",
                               text_quotable(m->scratch, m->file));
    if (!is_name(m->file))
        return manifest_errorf(
            m, "the folder's name must be 1 to %d of a-z 0-9 and single hyphens between",
            SKILL_NAME_MAX);
    if (read_access(m, out))
        return m->e->code;
    if (skill_files_read(m->keep, s->folder, &s->files, m->e)) {
        if (m->e->position.file)
            m->e->position.file = arena_printf(m->scratch, "%s/%s", m->file, m->e->position.file);
        return m->e->code;
    }
    if (read_document(m, s, &front_matter))
        return fault_in(m, arena_printf(m->scratch, "%s/" SKILL_DOCUMENT, m->file));
    s->entry.key = uri_of(m->keep, m->file, SKILL_DOCUMENT);
    fill(m, s, front_matter);
    return OK;
}

static bool stat_folder(const char *path, struct stat *out) {
    struct arena *scratch = arena_new(URI_BYTES_MAX);
    const char *file = arena_printf(scratch, "%s.json", path);
    struct stat beside;
    const bool is_folder = !stat(path, out) && S_ISDIR(out->st_mode);
    const bool has_file = !stat(file, &beside) || !lstat(file, &beside);

    if (is_folder || has_file)
        skill_files_stat(path, has_file ? &beside : NULL, out);
    arena_free(scratch);
    return is_folder || has_file;
}

static struct entry *resource_of(struct entry *entry) {
    return &((struct skill *)entry)->document.entry;
}

const struct catalog_kind_info skill_kind = {.word = "resource", /* its URI is one */
                                             .plural = "skills",
                                             .invalid_event = "skill_invalid",
                                             .directory = offsetof(struct config, skills_dir),
                                             .entry_size = sizeof(struct skill),
                                             .has_uris = true,
                                             .is_optional = true,
                                             .stat_folder = stat_folder,
                                             .read = read_skill,
                                             .resource = resource_of,
                                             .lists = {{"skills", NULL}}};

/* ---- finding ---- */

const struct skill *catalog_skill(const struct catalog *c, const char *uri) {
    return (const struct skill *)catalog_set_find(c->sets[CATALOG_SKILLS], uri);
}

const struct skill *catalog_skill_at(const struct catalog *c, struct arena *a, const char *uri,
                                     const char **path) {
    const char *rest = uri + strlen(SKILL_SCHEME);
    size_t len;

    if (strncmp(uri, SKILL_SCHEME, strlen(SKILL_SCHEME)) != 0)
        return NULL;
    len = strcspn(rest, "/");
    *path = rest[len] ? url_decode(a, rest + len + 1, strlen(rest + len + 1), false) : "";
    if (!*path || (rest[len] && !**path) || len > SKILL_NAME_MAX)
        return NULL;
    return catalog_skill(c, arena_printf(a, SKILL_SCHEME "%.*s/" SKILL_DOCUMENT, (int)len, rest));
}

const struct resource *catalog_skill_file(const struct catalog *c, struct arena *a,
                                          const char *uri) {
    const char *path;
    const struct skill *s = catalog_skill_at(c, a, uri, &path);
    const struct skill_file *f = s ? skill_files_find(&s->files, path) : NULL;
    struct resource *r;

    if (!f || f->is_folder)
        return NULL;
    r = arena_alloc(a, sizeof *r);
    fill_resource(r, a, s, f);
    r->entry.access.rules = catalog_set_rules_about(c->sets[CATALOG_SKILLS], a, r->entry.key);
    return r;
}

bool catalog_skills_changed(const struct catalog *c, int64_t since_ms) {
    const struct catalog_set *set = c->sets[CATALOG_SKILLS];

    for (size_t i = 0; i < set->file_count; i++) {
        const struct file_version *v = &set->files[i]->version;
        const struct stat st = {.st_mtim = v->modified, .st_ctim = v->changed};

        if (!v->inode || file_is_newer(&st, since_ms)) /* not known: a moment ago */
            return true;
    }
    return false;
}
