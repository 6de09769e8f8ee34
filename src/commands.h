/* What `mcp-authd COMMAND …` does besides serving. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include <stdio.h>

#define DEFAULT_CONFIG "/etc/mcp-authd/mcp-authd.conf"
#define EXIT_USAGE 2 /* wrong flags or configuration */

/* argv[0] is the name of the command. Returns the exit status. */
int command_run(int argc, char **argv);
void commands_list(FILE *out);

#endif
