/* mcp-authd: what the command line says, or else the pool. */
#include "commands.h"

int main(int argc, char **argv) {
    return command_line(argc, argv);
}
