/* What MCP alone uses of a site. */
#ifndef MCP_SITE_H
#define MCP_SITE_H

struct mcp_service;
struct prompt_set;
struct resource_set;
struct task_store;
struct token_cache;
struct tool_set;

struct mcp_site {
    const struct mcp_service *service; /* the methods */
    struct token_cache *tokens;        /* verified access tokens */
    struct tool_set *tools;            /* TOOLS_DIR and the built-in ones */
    struct resource_set *resources;    /* RESOURCES_DIR */
    struct prompt_set *prompts;        /* PROMPTS_DIR */
    struct task_store *tasks;          /* records of tasks; NULL: there are none */
};

#endif
