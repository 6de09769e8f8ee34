/* JSON for a person to read, by json-c: this is the only place that knows it. */
#pragma once

#include "base/json.h"

/* Writes v in several lines, indented. */
void json_print(FILE *out, const struct json *v);
