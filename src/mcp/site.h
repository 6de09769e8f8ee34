/* What MCP alone uses of a site. */
#pragma once

struct catalog;
struct mcp_service;
struct task_store;
struct token_cache;

struct mcp_site {
    const struct mcp_service *service; /* the methods */
    struct token_cache *tokens;        /* verified access tokens */
    struct catalog *catalog;           /* tools, resources, prompts */
    struct task_store *tasks;          /* records of tasks; NULL: there are none */
};
