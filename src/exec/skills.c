/* Private part of methods.h: the extension io.modelcontextprotocol/skills (SEP-2640). Reading a
 * file is resources/read. */
#include "exec/methods.h"

#include "catalog/skills.h"
#include "mcp/access.h"

/* ---- skills/get ---- */

const struct entry *mcp_skills_get_entry(struct mcp_call *c) {
    const char *uri = json_get_str(c->msg.params, "uri");
    const struct skill *s = uri ? catalog_skill(c->x->site->mcp->catalog, uri) : NULL;

    return s ? mcp_visible(c, &s->entry) : NULL;
}

enum rc mcp_skills_get(struct mcp_call *c, struct err *e) {
    const char *uri = json_get_str(c->msg.params, "uri");
    const struct entry *entry = mcp_skills_get_entry(c);

    if (!uri)
        return rpc_invalid_params(e, "uri must be a string");
    if (!entry)
        return err_set(e, ERR_RPC_INVALID_PARAMS, "No skill is served at %s",
                       text_quotable(c->arena, uri));
    c->answer.result = list_one(&c->x->site->mcp->catalog->sets[CATALOG_SKILLS]->lists[0], entry,
                                "skill", c->msg.protocol, c->arena);
    return OK;
}

/* ---- resources/directory/read ---- */

static const struct skill *find_folder(const struct mcp_call *c, const char **path) {
    const char *uri = json_get_str(c->msg.params, "uri");
    const struct skill *s =
        uri ? catalog_skill_at(c->x->site->mcp->catalog, c->arena, uri, path) : NULL;

    return s && mcp_visible(c, &s->entry) ? s : NULL;
}

const struct entry *mcp_directory_read_entry(struct mcp_call *c) {
    const char *path;

    return (const struct entry *)find_folder(c, &path);
}

static bool is_folder(const struct skill *s, const char *path) {
    const struct skill_file *f = skill_files_find(&s->files, path);

    return !*path || (f && f->is_folder);
}

/* Is the file directly in the folder? */
static bool is_child(const char *folder, const char *file) {
    const size_t len = strlen(folder);

    if (len && (strncmp(file, folder, len) != 0 || file[len] != '/'))
        return false;
    return !strchr(file + len + (len > 0), '/');
}

/* All of it on one page, since a skill has few files. */
enum rc mcp_directory_read(struct mcp_call *c, struct err *e) {
    const char *uri = json_get_str(c->msg.params, "uri"), *path = "";
    const struct skill *s = find_folder(c, &path);
    struct json *list = json_new_array(c->arena);

    if (!uri)
        return rpc_invalid_params(e, "uri must be a string");
    if (json_get(c->msg.params, "cursor"))
        return rpc_invalid_params(e, "unknown cursor");
    if (!s || !is_folder(s, path))
        return err_set(e, ERR_RPC_INVALID_PARAMS, "%s is not a directory resource",
                       text_quotable(c->arena, uri));
    for (size_t i = 0; i < s->files.count; i++)
        if (is_child(path, s->files.list[i].path))
            json_add(list, skill_file_definition(c->arena, s, &s->files.list[i]));
    mcp_call_finish(c, json_new_member(c->arena, "resources", list));
    return OK;
}
