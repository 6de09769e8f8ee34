/* Skills (the extension io.modelcontextprotocol/skills, SEP-2640): the folders of SKILLS_DIR. A
 * skill NAME is listed with the front matter of its SKILL.md and the digests of its files, and each
 * file is a resource, skill://NAME/PATH. Who may use it is in NAME.json beside the folder: what is
 * in the folder is shown to clients as it is. */
#pragma once

#include "catalog/catalog.h"
#include "catalog/skill_files.h"

#define SKILLS_EXTENSION "io.modelcontextprotocol/skills"
#define SKILL_SCHEME "skill://"
#define SKILL_DOCUMENT "SKILL.md"
/* Limits of Agent Skills (agentskills.io/specification), in characters. */
#define SKILL_NAME_MAX 64
#define SKILL_DESCRIPTION_MAX 1024
#define SKILL_COMPATIBILITY_MAX 500

struct skill {
    struct entry entry;       /* first; its key is the URI of SKILL.md */
    struct resource document; /* SKILL.md, which resources/list shows */
    const char *description;
    const char *folder; /* its path */
    struct skill_files files;
};

/* The skill whose SKILL.md has this URI; NULL: there is none. */
const struct skill *catalog_skill(const struct catalog *c, const char *uri);
/* The skill to which a URI of a file or a folder in it belongs, with that path in the folder, ""
 * for the folder itself; NULL: there is none. */
const struct skill *catalog_skill_at(const struct catalog *c, struct arena *a, const char *uri,
                                     const char **path);
/* The resource of a skill's file, in the arena; NULL: there is none with this URI. */
const struct resource *catalog_skill_file(const struct catalog *c, struct arena *a,
                                          const char *uri);
/* Has anything in the folders of the skills changed at that time of the real clock or later? */
bool catalog_skills_changed(const struct catalog *c, int64_t since_ms);
/* What lists of resources show of a file or a folder of the skill. */
struct json *skill_file_definition(struct arena *a, const struct skill *s,
                                   const struct skill_file *f);
