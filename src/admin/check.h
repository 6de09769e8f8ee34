/* `mcp-authd -t`: the whole configuration. */
#pragma once

/* Checks mcp-authd.conf, all sites and what they name, as the service's user, and prints them.
 * Returns the exit status: 0, 1 if something would be left out, 2 if something is wrong. */
int check_all(const char *config_path);
