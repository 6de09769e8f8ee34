/* Types, equality and hashes of JSON values (Core §4.2.2): numbers by what they are worth, objects
 * whatever the order of their members. */
#ifndef JSONSCHEMA_VALUES_H
#define JSONSCHEMA_VALUES_H

#include "jsonschema/evaluation.h"

/* Each counts its steps; a check that has stopped gives false and 0. */
bool values_equal(struct check *c, const struct json *a, const struct json *b);
uint64_t value_hash(struct check *c, const struct json *v);
unsigned value_type(const struct json *v); /* enum type_bit, but for TYPE_INTEGER */

#endif
