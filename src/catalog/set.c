/* Private part of catalog.h: the files that the entries of one kind come from. */
#include "catalog/catalog.h"

#include <dirent.h>
#include <errno.h>

/* ---- files ---- */

#define ANNOUNCED_WITHIN_MS 10000 /* a change, by the stream holder: with room for a busy host */
#define SCRATCH_BYTES_MAX ((size_t)256 << 20) /* to read one manifest, or the lists of a server */
/* Of an entry: its texts for both kinds of protocol versions, and what is made of its schemas. */
#define ENTRY_BYTES_MAX ((size_t)256 << 20)

/* A reading of the directory. */
struct reading {
    struct catalog_set *set;
    const struct catalog *c;
    const char *dir; /* as configured */
    int64_t at_ms;   /* what has changed after it is not read */
    struct arena *scratch;
    FILE *problems;
};

static const char *name_of(const void *files, size_t i) {
    return ((struct manifest_file *const *)files)[i]->name;
}

static size_t find_place(const struct catalog_set *set, const char *name) {
    return text_find_place(set->files, set->file_count, name_of, name);
}

static struct manifest_file *find_file(const struct catalog_set *set, const char *name) {
    size_t i = find_place(set, name);

    return i < set->file_count && !strcmp(set->files[i]->name, name) ? set->files[i] : NULL;
}

static struct manifest_file *add_file(struct catalog_set *set, const char *name) {
    size_t i = find_place(set, name);
    struct manifest_file *f = xcalloc(1, sizeof *f);

    set->files = xrealloc(set->files, (set->file_count + 1) * sizeof *set->files);
    memmove(set->files + i + 1, set->files + i, (set->file_count++ - i) * sizeof(void *));
    f->name = xstrdup(name);
    set->files[i] = f;
    return f;
}

/* Takes its entry out of the set, if it has one. */
static void leave_out(struct catalog_set *set, struct manifest_file *f) {
    if (f->entry && set->kind->removed)
        set->kind->removed(f->entry);
    if (f->entry)
        catalog_set_remove(set, f->entry);
    if (f->entry && set->resources)
        catalog_set_remove(set->resources, set->kind->resource(f->entry));
    arena_free(f->keep);
    f->keep = NULL;
    f->entry = NULL;
}

static void free_file(struct manifest_file *f) {
    arena_free(f->keep);
    free(f->name);
    free(f);
}

static void remove_file(struct catalog_set *set, const char *name) {
    size_t i = find_place(set, name);
    struct manifest_file *f = set->files[i];

    leave_out(set, f);
    free_file(f);
    memmove(set->files + i, set->files + i + 1, (--set->file_count - i) * sizeof(void *));
}

static void report(const struct reading *r, const struct manifest_file *f, const struct err *e) {
    const char *file = e->position.file ? e->position.file : f->name;

    err_print(r->problems, arena_printf(r->scratch, "%s/%s", r->dir, file), e);
}

/* ---- which files are served: of those with the same key the first one in the order of their
 * names, and the first CATALOG_ENTRIES_MAX ---- */

static enum rc key_is_used(const struct catalog_set *set, const struct entry *by, struct err *e) {
    const char *whose = by->file ? by->file : by->is_foreign ? "an MCP server" : "a built-in tool";

    if (set->kind->has_uris)
        return err_set(e, ERR_INVALID_REQUEST, "the URI is already used by %s", whose);
    return err_set(e, ERR_INVALID_REQUEST, "the name %s is already used by %s", by->key, whose);
}

static size_t entries_max(const struct catalog_set *set) {
    return set->kind->entries_max ? set->kind->entries_max : CATALOG_ENTRIES_MAX;
}

static enum rc is_full(const struct catalog_set *set, struct err *e) {
    return err_set(e, ERR_INVALID_REQUEST, "there are more than %zu %s", entries_max(set),
                   set->kind->plural);
}

/* May its resource, if it has one, be served too? */
static enum rc check_resource(const struct catalog_set *set, struct entry *entry, struct err *e) {
    const struct entry *other =
        set->resources ? catalog_set_find(set->resources, set->kind->resource(entry)->key) : NULL;

    if (other)
        return key_is_used(set->resources, other, e);
    return set->resources && set->resources->count == entries_max(set->resources)
               ? is_full(set->resources, e)
               : OK;
}

/* Puts the entry of a file that was read into the set, in place of the entry of a later file if it
 * must be. */
static enum rc serve(const struct reading *r, struct manifest_file *f, struct entry *entry,
                     struct err *e) {
    struct catalog_set *set = r->set;
    const struct entry *other = catalog_set_find(set, entry->key);
    struct manifest_file *later = NULL;
    struct err why = {0};

    if (check_resource(set, entry, e))
        return e->code;
    if (other && (!other->file || other->is_foreign || strcmp(other->file, f->name) < 0))
        return key_is_used(set, other, e);
    if (other) {
        later = find_file(set, other->file);
        (void)key_is_used(set, entry, &why);
    } else if (set->count == entries_max(set)) {
        for (size_t i = 0; i < set->file_count; i++) /* the last one that is served */
            later = set->files[i]->entry ? set->files[i] : later;
        if (!later || strcmp(later->name, f->name) < 0)
            return is_full(set, e);
        (void)is_full(set, &why);
    }
    if (later) {
        leave_out(set, later);
        report(r, later, &why);
    }
    f->entry = entry;
    catalog_set_add(set, entry);
    if (set->resources)
        catalog_set_add(set->resources, set->kind->resource(entry));
    return OK;
}

/* ---- reading ---- */

void catalog_keep_definition(const struct manifest *m, struct entry *entry) {
    if (entry->definition[0].p)
        return;
    json_del(m->v, "run");
    entry->definition[0] = entry->definition[1] = json_as_text(m->keep, m->v);
}

/* Programs run in the directory, so its path must be absolute. */
static enum rc parse(const struct reading *r, struct manifest_file *f, struct err *e) {
    struct catalog_set *set = r->set;
    struct entry *entry = arena_alloc(f->keep, set->kind->entry_size);
    struct manifest m = {.dir = set->real_dir,
                         .file = f->name,
                         .kind = set->kind->word,
                         .given_dir = *r->dir == '/' ? r->dir : set->real_dir,
                         .keep = f->keep,
                         .scratch = r->scratch,
                         .config = r->c->config,
                         .sources = r->c->sources,
                         .outputs = set->kind->outputs,
                         .e = e};

    if ((!set->kind->stat_folder && manifest_open(&m)) || set->kind->read(&m, entry))
        return e->code;
    entry->file = f->name;
    catalog_keep_definition(&m, entry);
    if (serve(r, f, entry, e))
        return e->code;
    if (set->kind->added)
        set->kind->added(r->c, entry, &m, r->problems);
    return OK;
}

/* Reads a file that is there. `quiet`: a reason that has been reported is not again. */
static void read_file(const struct reading *r, struct manifest_file *f, bool quiet) {
    struct err e = {0};

    leave_out(r->set, f);
    f->keep = arena_new_small(ENTRY_BYTES_MAX);
    if (parse(r, f, &e)) {
        leave_out(r->set, f);
        if (!quiet)
            report(r, f, &e);
    }
    arena_reset(r->scratch);
}

/* The name of the manifest that a name in the directory belongs to; NULL: none. */
static const char *manifest_name(const struct reading *r, const char *name) {
    const bool is_json = text_ends_with(name, ".json");

    if (*name == '.' || (!is_json && !r->set->kind->stat_folder))
        return NULL;
    return r->set->kind->stat_folder && is_json
               ? arena_strndup(r->scratch, name, strlen(name) - strlen(".json"))
               : name;
}

/* Of the file, or of a symbolic link that leads nowhere. false: there is none. */
static bool stat_manifest(const struct reading *r, const char *name, struct stat *out) {
    const char *path = arena_printf(r->scratch, "%s/%s", r->set->real_dir, name);

    if (r->set->kind->stat_folder)
        return r->set->kind->stat_folder(path, out);
    return !stat(path, out) || !lstat(path, out);
}

/* Does the file stay as it was read, or unread? One that is left out need not. A time that is still
 * to come is of a clock that was set back. A change of a while ago that is not announced will not
 * be: it was made where nobody watches, or a backup has linked the file. */
static bool is_too_new(const struct reading *r, const struct manifest_file *f,
                       const struct stat *st) {
    const int64_t changed_ms = file_changed_ms(st), now_ms = clock_realtime_ms();

    return (!f || f->entry) && changed_ms > r->at_ms && changed_ms <= now_ms &&
           changed_ms > now_ms - ANNOUNCED_WITHIN_MS;
}

/* Reads the file of this name, or removes it from the set if it is gone. */
static void read_name(const struct reading *r, const char *name) {
    struct manifest_file *f = find_file(r->set, name);
    struct stat st;

    if (!stat_manifest(r, name, &st)) {
        if (f)
            remove_file(r->set, name);
        return;
    }
    if (is_too_new(r, f, &st))
        return;
    if (!f)
        f = add_file(r->set, name);
    f->version = file_version_of(&st);
    read_file(r, f, false);
}

/* The reason may be gone: another file had the same name, or a program is there now. */
static void read_left_out(const struct reading *r) {
    for (size_t i = 0; i < r->set->file_count; i++)
        if (!r->set->files[i]->entry)
            read_file(r, r->set->files[i], true);
}

static struct reading begin(struct catalog_set *set, const struct catalog *c, int64_t at_ms,
                            FILE *problems) {
    return (struct reading){.set = set,
                            .c = c,
                            .dir = catalog_directory(c->config, set->which),
                            .at_ms = at_ms,
                            .scratch = arena_new(SCRATCH_BYTES_MAX),
                            .problems = problems};
}

void catalog_set_read(struct catalog_set *set, const struct catalog *c, const char *name,
                      int64_t at_ms, FILE *problems) {
    struct reading r = begin(set, c, at_ms, problems);

    name = manifest_name(&r, name);
    if (set->real_dir && name) {
        read_name(&r, name);
        read_left_out(&r);
    }
    arena_free(r.scratch);
}

/* ---- reading what has changed ---- */

struct names {
    struct arena *arena;
    const char **list;
    size_t count;
};

static void names_add(struct names *n, const char *name) {
    n->list = xrealloc(n->list, (n->count + 1) * sizeof *n->list);
    n->list[n->count++] = arena_strdup(n->arena, name);
}

static bool is_old(const struct catalog_set *set, size_t i, bool others_changed) {
    const struct entry *entry = set->files[i]->entry;

    return entry && set->kind->is_old && set->kind->is_old(entry, others_changed);
}

/* Finds the manifests that are not as they were read. What is known of the others is not written
 * to, since its memory is shared. */
static void find_changed(const struct reading *r, DIR *d, struct names *out) {
    const struct catalog_set *set = r->set;
    bool *unchanged = xcalloc(set->file_count, sizeof *unchanged);
    const struct dirent *entry;

    while ((entry = readdir(d))) {
        const char *name = manifest_name(r, entry->d_name);
        struct file_version now;
        struct stat st;
        size_t i;
        bool is_known, stays;

        if (!name || !stat_manifest(r, name, &st))
            continue;
        i = find_place(set, name);
        is_known = i < set->file_count && !strcmp(set->files[i]->name, name);
        stays = is_too_new(r, is_known ? set->files[i] : NULL, &st);
        now = file_version_of(&st);
        if (is_known)
            unchanged[i] = stays || file_version_equal(&set->files[i]->version, &now);
        else if (!stays)
            names_add(out, name);
    }
    for (size_t i = 0; i < set->file_count; i++)
        if (!unchanged[i] || is_old(set, i, false))
            names_add(out, set->files[i]->name);
    for (size_t i = 0; i < set->file_count && out->count; i++)
        if (is_old(set, i, true))
            names_add(out, set->files[i]->name);
    free(unchanged);
    if (out->count) /* qsort(3) takes no NULL */
        qsort(out->list, out->count, sizeof *out->list, text_compare);
}

/* All of them are taken out first: a name may have moved from one file to another. */
static void read_names(const struct reading *r, const struct names *names) {
    bool is_first = !r->set->file_count;

    for (size_t i = 0; i < names->count; i++) {
        struct manifest_file *f = find_file(r->set, names->list[i]);

        if (f)
            leave_out(r->set, f);
    }
    for (size_t i = 0; i < names->count; i++)
        if (!i || strcmp(names->list[i], names->list[i - 1]) != 0)
            read_name(r, names->list[i]);
    if (names->count && !is_first)
        read_left_out(r);
}

/* Opens the directory at the configured path, which may be another than before. That of a newer
 * kind is not there yet where an older version was installed. */
static DIR *open_directory(const struct reading *r) {
    struct catalog_set *set = r->set;
    char *real_dir = realpath(r->dir, NULL);
    DIR *d = real_dir ? opendir(real_dir) : NULL;
    int error = d || (errno == ENOENT && set->kind->is_optional) ? 0 : errno;

    if (error && error != set->dir_errno)
        (void)fprintf(r->problems, "%s: %s\n", r->dir, strerror(error));
    set->dir_errno = error;
    if (!d || !set->real_dir || strcmp(real_dir, set->real_dir) != 0) {
        while (set->file_count)
            remove_file(set, set->files[set->file_count - 1]->name);
        free(set->real_dir);
        set->real_dir = real_dir;
    } else {
        free(real_dir);
    }
    return d;
}

unsigned catalog_set_read_changed(struct catalog_set *set, const struct catalog *c, int64_t at_ms,
                                  FILE *problems) {
    struct reading r = begin(set, c, at_ms, problems);
    DIR *d = *r.dir ? open_directory(&r) : NULL;
    struct names names = {.arena = arena_new(SCRATCH_BYTES_MAX)};
    unsigned left_out = set->dir_errno != 0;

    if (d) {
        find_changed(&r, d, &names);
        (void)closedir(d);
        read_names(&r, &names);
    }
    free(names.list);
    arena_free(names.arena);
    arena_free(r.scratch);
    for (size_t i = 0; i < set->file_count; i++)
        left_out += !set->files[i]->entry;
    return left_out;
}

/* ---- the set ---- */

void catalog_set_free(struct catalog_set *set) {
    if (!set)
        return;
    catalog_set_rules(set, NULL);
    for (size_t i = 0; i < set->file_count; i++)
        free_file(set->files[i]);
    for (size_t i = 0; i < CATALOG_LISTS_MAX; i++)
        list_clear(&set->lists[i]);
    free(set->files);
    free(set->real_dir);
    arena_free(set->arena);
    free(set);
}
