#include "commands.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "base/config.h"
#include "doctor/doctor.h"
#include "pool/pool.h"

/* What stands behind the name of a command. */
struct arguments {
    const char *config_path, *operand; /* operand NULL: none given */
    bool json;
};

static int show_status(const struct arguments *args) {
    struct config *config = config_load(args->config_path, stderr);
    int status;

    if (!config)
        return EXIT_USAGE;
    status = status_show(config->status_file, args->json, stdout, stderr);
    config_free(config);
    return status;
}

static int run_doctor(const struct arguments *args) {
    return doctor_run(args->config_path, args->json, stdout);
}

static int try_client(const struct arguments *args) {
    struct config *config = config_load(args->config_path, stderr);
    bool good;

    if (!config)
        return EXIT_USAGE;
    good = app_try_client(config, args->operand, stdout);
    config_free(config);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Needs no configuration: the package makes the key before anybody has written one. */
static int make_key(const struct arguments *args) {
    return app_make_key(args->operand, stderr) ? EXIT_SUCCESS : EXIT_FAILURE;
}

static const struct command {
    const char *name, *operand; /* operand NULL: takes none */
    bool json;                  /* knows --json */
    int (*run)(const struct arguments *args);
    const char *help;
} commands[] = {
    {"status", NULL, true, show_status, "show what the running daemon does (--json: as JSON)"},
    {"doctor", NULL, true, run_doctor,
     "try everything that the service needs, and say what to do about the rest; exit\n"
     "           status 0: all is good, 1: warnings, 2: something will not work (--json: as JSON)"},
    {"try-client", "URL", false, try_client,
     "fetch and judge a client's metadata document as a login would"},
    {"make-key", "FILE", false, make_key, "make a secret key file if there is none, and check it"},
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

void commands_list(FILE *out) {
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        (void)fprintf(out, "  %s%s%s\n           %s\n", commands[i].name,
                      commands[i].operand ? " " : "",
                      commands[i].operand ? commands[i].operand : "", commands[i].help);
}

static int wrong_usage(const struct command *c) {
    (void)fprintf(stderr, "usage: mcp-authd %s [-c FILE]%s%s%s\n", c->name,
                  c->json ? " [--json]" : "", c->operand ? " " : "", c->operand ? c->operand : "");
    return EXIT_USAGE;
}

int command_run(int argc, char **argv) {
    struct arguments args = {.config_path = DEFAULT_CONFIG};
    const struct command *c = commands;

    while (c < commands + COMMAND_COUNT && strcmp(c->name, argv[0]) != 0)
        c++;
    if (c == commands + COMMAND_COUNT) {
        (void)fprintf(stderr, "mcp-authd has no command %s (see mcp-authd -h)\n", argv[0]);
        return EXIT_USAGE;
    }
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-c") && i + 1 < argc)
            args.config_path = argv[++i];
        else if (!strcmp(argv[i], "--json") && c->json)
            args.json = true;
        else if (argv[i][0] != '-' && c->operand && !args.operand)
            args.operand = argv[i];
        else
            return wrong_usage(c);
    }
    return c->operand && !args.operand ? wrong_usage(c) : c->run(&args);
}
