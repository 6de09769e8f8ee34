#include "catalog/caller.h"

static const struct json *parsed(struct arena *a, const char *text, struct json **kept) {
    if (!*kept && text)
        *kept = json_of_text(a, text, strlen(text));
    if (!*kept)
        *kept = json_new_object(a);
    return *kept;
}

const struct json *caller_claims(struct caller *caller) {
    return parsed(caller->arena, caller->claims, &caller->parsed_claims);
}

bool caller_is_in_group(struct caller *caller, const char *groups) {
    const struct json *list = parsed(caller->arena, caller->groups, &caller->parsed_groups);
    bool found = false;

    for (size_t i = 0; !found && i < json_len(list); i++) {
        const char *group = json_str(json_at(list, i));

        found = group && list_has(groups, group);
    }
    return found;
}
