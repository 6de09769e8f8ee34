/* Instance and keyword locations (Core §12.3), as JSON Pointers (RFC 6901), cut to size. */
#ifndef JSONSCHEMA_LOCATION_H
#define JSONSCHEMA_LOCATION_H

#include "jsonschema/instance.h"
#include "jsonschema/node.h"
#include "jsonschema/schema.h"

void instance_location(const struct instance *at, char out[SCHEMA_TEXT_MAX]);
/* Of a keyword of the schema, or NULL: of the schema itself. */
void keyword_location(const struct node *n, const char *keyword, char out[SCHEMA_TEXT_MAX]);
/* Cuts text to whole characters. */
void text_cut(char *text);

#endif
