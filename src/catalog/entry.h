/* What tools, resources and prompts have in common. */
#pragma once

#include "base/text.h"
#include "catalog/protocol.h"
#include "catalog/source.h"

struct entry {
    const char *key;    /* a name, URI or URI template; lists are sorted by it, as bytes */
    const char *name;   /* for the log */
    const char *file;   /* of the manifest; NULL: built in */
    const char *scopes; /* that a caller needs besides REQUIRED_SCOPES; "" for none */
    struct source source;
    struct text definition[PROTOCOL_KINDS]; /* what lists show, see protocol_index */
};
