/* mcp-authd: flags, then the pool. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "app/outputs.h"
#include "base/config.h"
#include "commands.h"
#include "pool/pool.h"

static void usage(FILE *out) {
    (void)fputs("usage: mcp-authd [-c FILE] [-t | -p | -V]\n"
                "       mcp-authd COMMAND [-c FILE] [ARGUMENT]\n"
                "  -c FILE  configuration (" DEFAULT_CONFIG ")\n"
                "  -t       check the configuration and everything it names, print it, and exit\n"
                "  -p       print an annotated configuration file with the defaults, and exit\n"
                "  -V       print the version, and exit\n"
                "Runs in the foreground and logs to stderr. Commands:\n",
                out);
    commands_list(out);
}

static int check(const struct config *config) {
    unsigned left_out;

    config_dump(config, stdout);
    (void)fflush(stdout);
    outputs_become_service(config);
    if (!app_check(config, stderr, &left_out))
        return EXIT_USAGE;
    if (left_out) {
        (void)fprintf(stderr, "configuration is good, but %u of what it names %s left out\n",
                      left_out, left_out == 1 ? "is" : "are");
        return EXIT_FAILURE;
    }
    (void)fputs("configuration is good\n", stderr);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    const char *path = DEFAULT_CONFIG;
    struct config *config;
    int opt, only_check = 0, status;

    if (argc > 1 && argv[1][0] != '-')
        return command_run(argc - 1, argv + 1);
    while ((opt = getopt(argc, argv, "c:tpVh")) != -1) {
        switch (opt) {
        case 'c':
            path = optarg;
            break;
        case 't':
            only_check = 1;
            break;
        case 'p':
            config_print_annotated(stdout);
            return EXIT_SUCCESS;
        case 'V':
            (void)puts("mcp-authd " MCP_AUTHD_VERSION);
            return EXIT_SUCCESS;
        case 'h':
            usage(stdout);
            return EXIT_SUCCESS;
        default:
            usage(stderr);
            return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        usage(stderr);
        return EXIT_USAGE;
    }
    config = config_load(path, stderr);
    if (!config)
        return EXIT_USAGE;
    if (!only_check)
        return pool_run(path, config);
    status = check(config);
    config_free(config);
    return status;
}
