/* The prompts. */
#pragma once

#include "catalog/catalog.h"
#include "catalog/program.h"

#define PROMPT_ARGUMENTS_MAX 64

/* A prompt has either messages or a source. */
struct prompt {
    struct entry entry;                /* first */
    const char *description;           /* NULL: none */
    struct json *arguments;            /* an object: their names, each with "required" or "" */
    struct json *messages;             /* with {{arguments}}; NULL: none */
    const struct completion *complete; /* of arguments; NULL: none */
};

/* Is it an array of messages, each with a role and a content? */
bool prompt_is_messages(const struct json *messages);
