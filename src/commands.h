/* The command line: `mcp-authd` serves, `mcp-authd COMMAND …` does something else. Flags may stand
 * before and after the command. */
#pragma once

#define EXIT_USAGE 2 /* wrong flags or configuration */

/* Returns the exit status. */
int command_line(int argc, char **argv);
