/* mcp-authd: flags, then the pool. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "base/config.h"
#include "doctor/doctor.h"
#include "pool/pool.h"

#define DEFAULT_CONFIG "/etc/mcp-authd/mcp-authd.conf"
#define EXIT_USAGE 2 /* wrong flags or configuration */

static void usage(FILE *out) {
    (void)fputs(
        "usage: mcp-authd [-c FILE] [-t | -p | -V]\n"
        "       mcp-authd doctor [-c FILE] [--json]\n"
        "  -c FILE  configuration (" DEFAULT_CONFIG ")\n"
        "  -t       check the configuration and everything it names, print it, and exit\n"
        "  -p       print an annotated configuration file with the defaults, and exit\n"
        "  -V       print the version, and exit\n"
        "  doctor   try everything that the service needs, and say what to do about the rest;\n"
        "           exit status 0: all is good, 1: warnings, 2: something will not work\n"
        "Runs in the foreground and logs to stderr.\n",
        out);
}

static int check(const struct config *config) {
    config_dump(config, stdout);
    if (!app_check(config, stderr))
        return EXIT_USAGE;
    (void)fputs("configuration is good\n", stderr);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    const char *path = DEFAULT_CONFIG;
    struct config *config;
    int opt, only_check = 0, status;

    if (argc > 1 && !strcmp(argv[1], "doctor"))
        return doctor_main(argc - 1, argv + 1, DEFAULT_CONFIG);
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
