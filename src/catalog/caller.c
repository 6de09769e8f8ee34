#include "catalog/caller.h"

static const struct json *parsed(struct arena *a, const char *text, struct json **kept) {
    struct err e;

    if (!*kept && (!text || json_parse(a, text, strlen(text), kept, &e)))
        *kept = json_new_object(a);
    return *kept;
}

const struct json *caller_groups(struct caller *caller) {
    return parsed(caller->arena, caller->groups, &caller->parsed_groups);
}

const struct json *caller_claims(struct caller *caller) {
    return parsed(caller->arena, caller->claims, &caller->parsed_claims);
}

bool caller_is_in_group(struct caller *caller, const char *name) {
    const struct json *list = caller_groups(caller);
    bool found = false;

    for (size_t i = 0; !found && i < json_len(list); i++) {
        const char *group = json_str(json_at(list, i));

        found = group && !strcmp(group, name);
    }
    return found;
}
