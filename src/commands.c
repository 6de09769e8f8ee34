#include "commands.h"

#include <getopt.h>

#include "app/app.h"
#include "app/errors.h"
#include "base/base.h"
#include "base/text.h"
#include "config/config.h"
#include "doctor/doctor.h"
#include "idp/idp.h"
#include "server/server.h"
#include "server/status.h"

#define OPERANDS_MAX 2 /* the command, and what it takes */

struct arguments {
    const char *config_path;
    const char *command, *operand; /* NULL: none given */
    char mode;                     /* t, p, V or h; 0: none of these */
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
     "check everything that the service needs, and say how to mend what is wrong; exit\n"
     "           status 0: ok, 1: warnings, 2: something will not work (--json: as JSON)"},
    {"try-client", "URL", false, try_client,
     "fetch and check a client's metadata document as a login would"},
    {"make-key", "FILE", false, make_key, "make a secret key file if there is none, and check it"},
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

/* ---- what is said of the command line ---- */

static void usage(FILE *out) {
    (void)fputs("usage: mcp-authd [-c FILE] [-t | -p | -V]\n"
                "       mcp-authd COMMAND [-c FILE] [ARGUMENT]\n"
                "  -c FILE  configuration (" CONFIG_STANDARD_PATH ")\n"
                "  -t       check the configuration and everything it names, print it, and exit\n"
                "  -p       print an annotated configuration file with the defaults, and exit\n"
                "  -V       print the version, and exit (--version)\n"
                "  -h       print this, or the usage of the command, and exit (--help)\n"
                "Runs in the foreground and logs to stderr. Commands:\n",
                out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        (void)fprintf(out, "  %s%s%s\n           %s\n", commands[i].name,
                      commands[i].operand ? " " : "",
                      commands[i].operand ? commands[i].operand : "", commands[i].help);
}

static void usage_of(const struct command *c, FILE *out) {
    (void)fprintf(out, "usage: mcp-authd %s [-c FILE]%s%s%s\n", c->name, c->json ? " [--json]" : "",
                  c->operand ? " " : "", c->operand ? c->operand : "");
}

/* After the reason. */
static int wrong(const struct command *c) {
    if (c)
        usage_of(c, stderr);
    else
        (void)fputs("See mcp-authd --help.\n", stderr);
    return EXIT_USAGE;
}

static const struct command *find_command(const char *name) {
    for (size_t i = 0; name && i < COMMAND_COUNT; i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

static int unknown_command(const char *name) {
    const char *names[COMMAND_COUNT + 3] = {"help", "version"}, *meant;

    for (size_t i = 0; i < COMMAND_COUNT; i++)
        names[i + 2] = commands[i].name;
    meant = suggest(name, names);
    if (strchr(name, '/') || strchr(name, '.'))
        (void)fprintf(stderr, "mcp-authd has no command %s; a configuration is given by -c FILE\n",
                      name);
    else
        (void)fprintf(stderr, "mcp-authd has no command %s%s%s%s\n", name,
                      meant ? "; did you mean " : "", meant ? meant : "", meant ? "?" : "");
    return wrong(NULL);
}

/* ---- reading it ---- */

/* false: it has said why. */
static bool set_mode(struct arguments *args, char mode) {
    if (args->mode && args->mode != mode) {
        (void)fprintf(stderr, "mcp-authd: -%c and -%c exclude each other\n", args->mode, mode);
        return false;
    }
    args->mode = mode;
    return true;
}

/* getopt_long says what is wrong with an option, and puts what is none behind the options. */
static bool read_options(int argc, char **argv, struct arguments *args) {
    static const struct option names[] = {{"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'V'},
                                          {"json", no_argument, NULL, 'j'},
                                          {0}};
    bool good = true;
    int opt;

    while ((opt = getopt_long(argc, argv, "c:tpVh", names, NULL)) != -1) {
        if (opt == 'c')
            args->config_path = optarg;
        else if (opt == 'j')
            args->json = true;
        else if (opt == '?')
            good = false;
        else
            good = set_mode(args, (char)opt) && good;
    }
    return good;
}

static bool read_operands(int argc, char **argv, struct arguments *args) {
    const char *words[OPERANDS_MAX] = {0};
    int n = argc - optind;

    for (int i = 0; i < n && i < OPERANDS_MAX; i++)
        words[i] = argv[optind + i];
    args->command = words[0];
    args->operand = words[1];
    if (args->command && !strcmp(args->command, "help")) {
        args->command = args->operand;
        args->operand = NULL;
        args->mode = 'h';
    } else if (args->command && !strcmp(args->command, "version")) {
        args->command = NULL;
        args->mode = 'V';
    }
    if (n > OPERANDS_MAX)
        (void)fprintf(stderr, "mcp-authd: %s is one argument too many\n", argv[optind + n - 1]);
    return n <= OPERANDS_MAX;
}

/* Does what was given go with the command? */
static bool fits(const struct command *c, const struct arguments *args) {
    if (args->mode)
        (void)fprintf(stderr, "mcp-authd: -%c goes with no command\n", args->mode);
    else if (args->json && !c->json)
        (void)fprintf(stderr, "mcp-authd %s does not know --json\n", c->name);
    else if (args->operand && !c->operand)
        (void)fprintf(stderr, "mcp-authd %s takes no argument such as %s\n", c->name,
                      args->operand);
    else if (!args->operand && c->operand)
        (void)fprintf(stderr, "mcp-authd %s needs a %s\n", c->name, c->operand);
    else
        return true;
    return false;
}

/* ---- doing it ---- */

static int check(const struct config *config) {
    unsigned left_out;

    config_dump(config, stdout);
    (void)fflush(stdout);
    app_become_service(config);
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

static int serve_or_check(const struct arguments *args) {
    struct config *config = config_load(args->config_path, stderr);
    int status;

    if (!config)
        return EXIT_USAGE;
    if (args->mode != 't')
        return server_run(args->config_path, config);
    status = check(config);
    config_free(config);
    return status;
}

static int without_command(const struct arguments *args) {
    if (args->json) {
        (void)fputs("mcp-authd: --json goes with a command\n", stderr);
        return wrong(NULL);
    }
    if (args->mode == 'h')
        usage(stdout);
    else if (args->mode == 'V')
        (void)puts("mcp-authd " MCP_AUTHD_VERSION);
    else if (args->mode == 'p')
        config_print_annotated(stdout);
    else
        return serve_or_check(args);
    return EXIT_SUCCESS;
}

int command_line(int argc, char **argv) {
    struct arguments args = {.config_path = CONFIG_STANDARD_PATH};
    bool good = read_options(argc, argv, &args) && read_operands(argc, argv, &args);
    const struct command *c;

    config_on_provider(idp_check_config);
    errors_name_metrics();
    if (!good && !args.command && optind < argc)
        args.command = argv[optind];
    c = find_command(args.command);
    if (!good)
        return wrong(c);
    if (!args.command)
        return without_command(&args);
    if (!c)
        return unknown_command(args.command);
    if (args.mode == 'h') {
        usage_of(c, stdout);
        return EXIT_SUCCESS;
    }
    return fits(c, &args) ? c->run(&args) : wrong(c);
}
