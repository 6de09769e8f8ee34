/* The prompts: what clients see of each, and how it is served. */
#ifndef CATALOG_PROMPTS_H
#define CATALOG_PROMPTS_H

#include "catalog/list.h"
#include "catalog/manifest.h"
#include "config/config.h"

#define PROMPTS_MAX 512
#define PROMPT_ARGUMENTS_MAX 64

struct prompt {
    const char *name, *file, *scopes;
    const char *description;           /* NULL: none */
    struct json *arguments;            /* their names; a required one is "required" */
    struct json *messages;             /* with {{arguments}}; NULL: a program */
    const struct completion *complete; /* of arguments; NULL: none */
    struct tool_run run;
    struct text definition;
};

struct prompt_set {
    struct arena *arena;
    struct prompt *all; /* by name */
    size_t count;
    struct list list;
};

/* Every prompt of PROMPTS_DIR; as tool_set_load. */
struct prompt_set *prompt_set_load(const struct config *config, FILE *problems, unsigned *bad);
void prompt_set_free(struct prompt_set *s); /* NULL is accepted */

const struct prompt *prompt_find(const struct prompt_set *set, const char *name);
/* Is it an array of messages, each with a role and a content? */
bool prompt_is_messages(const struct json *messages);

#endif
