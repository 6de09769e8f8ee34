/* References against a base (RFC 3986 §5.2). Nothing is fetched: the result is only compared. */
#ifndef JSONSCHEMA_URI_H
#define JSONSCHEMA_URI_H

#include <stdbool.h>

#include "jsonschema/schema.h"

/* `reference` relative to `base`, in `out`; false if that is too long. */
bool uri_resolve(const char *base, const char *reference, char out[SCHEMA_URI_MAX]);

#endif
