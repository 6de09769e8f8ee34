/* The bridge: the program that the runner starts for an MCP server which is an address (`url` of
 * docs/servers.md). To its relay (runner/relay.h) it is a server on stdin and stdout; to the server
 * it is a client of Streamable HTTP, or of HTTP+SSE of 2024-11-05.
 *
 *     bridge.c    the command, and what the relay sends
 *     post.c      a message that is sent, and what is answered
 *     session.c   initialization, and a session that the server has lost
 *     headers.c   those of the manifest, and what stands in them as ${NAME}
 *     listen.c    the stream of messages that answer none of ours
 */
#pragma once

/* `mcp-authd bridge [--ca-file FILE] URL [HEADER…]`: what the daemon has the runner start. In a
 * header "Name: value", ${NAME} stands for the content of the file that the variable NAME_FILE
 * names; ${caller.NAME} is a member of who calls. Returns the exit status when stdin ends. */
int bridge_command(int argc, char **argv);
