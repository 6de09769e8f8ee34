/* Private part of executor.h: the built-in tools. whoami returns the caller's claims, echo its
 * argument. */
#include "exec/executor.h"

#include "exec/tool_result.h"
#include "mcp/call.h"

struct builtin {
    /* Returns a CallToolResult. */
    struct json *(*answer)(struct mcp_call *c, const struct json *arguments);
};

static struct json *whoami(struct mcp_call *c, const struct json *arguments) {
    struct json *me = mcp_client_identity(c->arena, &c->client);

    (void)arguments;
    json_put_str(me, "expires_at", text_rfc3339(c->arena, c->client.claims->exp));
    return tool_structured_result(c->arena, me);
}

static struct json *echo(struct mcp_call *c, const struct json *arguments) {
    size_t len;
    const char *text = json_strn(json_get(arguments, "text"), &len);
    /* Not NULL: checked against the schema. */
    return tool_text_result(c->arena, (struct text){text, len}, false);
}

/* Additional arguments are ignored, since some client applications add their own. Model APIs refuse
 * a request with a tool whose schema has no "properties", so whoami has an empty object there. */
#define ECHO                                                                                       \
    "{\"name\":\"echo\",\"title\":\"Echo\",\"description\":\"Returns the text that it is "         \
    "given.\","                                                                                    \
    "\"inputSchema\":{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\","          \
    "\"description\":\"The text to return.\"}},\"required\":[\"text\"]},"                          \
    "\"annotations\":{\"readOnlyHint\":true,\"openWorldHint\":false}}"

#define WHOAMI                                                                                     \
    "{\"name\":\"whoami\",\"title\":\"Who am I\",\"description\":\"Tells who the access token "    \
    "says you are, which scopes it carries and when it expires.\","                                \
    "\"inputSchema\":{\"type\":\"object\",\"properties\":{}},"                                     \
    "\"outputSchema\":{\"type\":\"object\",\"properties\":{\"sub\":{\"type\":\"string\"},"         \
    "\"username\":{\"type\":\"string\"},\"client_id\":{\"type\":\"string\"},"                      \
    "\"scopes\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"                             \
    "\"expires_at\":{\"type\":\"string\",\"format\":\"date-time\"}},"                              \
    "\"required\":[\"sub\",\"username\",\"client_id\",\"scopes\",\"expires_at\"]},"                \
    "\"annotations\":{\"readOnlyHint\":true,\"openWorldHint\":false}}"

static void execute_builtin(struct mcp_call *c, const struct invocation *i,
                            const struct input_required *input, struct execution *out) {
    const struct builtin *builtin = i->source->spec;

    (void)input;
    out->result = builtin->answer(c, i->params[0].value);
    out->outcome = "ok";
}

const struct source_kind builtin_source = {0};
const struct executor builtin_executor = {execute_builtin, NULL, true, false};

static const struct builtin echo_builtin = {echo}, whoami_builtin = {whoami};

const struct tool builtin_tools[BUILTIN_TOOLS] = {
    {.entry = {.key = "echo",
               .name = "echo",
               .access = {.scopes = "", .groups = ""},
               .source = {.kind = &builtin_source, .spec = &echo_builtin},
               .definition = {TEXT_LITERAL(ECHO), TEXT_LITERAL(ECHO)}}},
    {.entry = {.key = "whoami",
               .name = "whoami",
               .access = {.scopes = "", .groups = ""},
               .source = {.kind = &builtin_source, .spec = &whoami_builtin},
               .definition = {TEXT_LITERAL(WHOAMI), TEXT_LITERAL(WHOAMI)}}},
};
