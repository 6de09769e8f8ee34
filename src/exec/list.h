/* tools/list, resources/list, resources/templates/list and prompts/list. */
#pragma once

#include "mcp/call.h"

mcp_method_fn mcp_tools_list, mcp_resources_list, mcp_resource_templates_list, mcp_prompts_list;
