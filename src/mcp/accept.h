/* What a client accepts, and what it prefers (RFC 9110 §12.5.1). */
#pragma once

#include "web/request.h"
#include <stdbool.h>

/* Does the Accept header allow this media type? An absent header allows all. */
bool mcp_accepts(const struct request *rq, const char *type);
/* Would the client rather have a stream of events than JSON? */
bool mcp_prefers_stream(const struct request *rq);
