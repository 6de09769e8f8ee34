/* The command line: `mcp-authd` serves, `mcp-authd COMMAND …` does something else. Flags may stand
 * before and after the command. */
#include <errno.h>
#include <getopt.h>
#include <unistd.h>

#include "admin/check.h"
#include "admin/import.h"
#include "admin/site.h"
#include "app/app.h"
#include "app/errors.h"
#include "app/site_set.h"
#include "base/text.h"
#include "bridge/bridge.h"
#include "config/config.h"
#include "doctor/doctor.h"
#include "doctor/status.h"
#include "idp/idp.h"
#include "runner/client.h"
#include "runner/runner.h"
#include "server/server.h"

#define RUNNER_WAIT_MS 2000
#define EXIT_USAGE 2   /* wrong flags or configuration */
#define OPERANDS_MAX 2 /* of a command */

/* Options of commands: their values for getopt_long, and what they are called. */
enum {
    OPTION_JSON = 256,
    OPTION_AS,
    OPTION_SCOPES,
    OPTION_CLAIMS,
    OPTION_INPUT,
    OPTION_DIR,
    OPTION_LANG,
    OPTION_SITE
};
#define OPTIONS_MAX (OPTION_SITE - OPTION_JSON + 1)
#define OPTION_BIT(option) (1U << ((option)-OPTION_JSON))

static const struct option long_options[] = {{"json", no_argument, NULL, OPTION_JSON},
                                             {"as", required_argument, NULL, OPTION_AS},
                                             {"scopes", required_argument, NULL, OPTION_SCOPES},
                                             {"claims", required_argument, NULL, OPTION_CLAIMS},
                                             {"input", required_argument, NULL, OPTION_INPUT},
                                             {"dir", required_argument, NULL, OPTION_DIR},
                                             {"lang", required_argument, NULL, OPTION_LANG},
                                             {"site", required_argument, NULL, OPTION_SITE},
                                             {"help", no_argument, NULL, 'h'},
                                             {"version", no_argument, NULL, 'V'},
                                             {0}};

struct arguments {
    const char *config_path;
    const char *command, *operands[OPERANDS_MAX]; /* NULL: none given */
    char mode;                                    /* t, p, V or h; 0: none of these */
    unsigned options;                             /* OPTION_BIT of those that are given */
    const char *values[OPTIONS_MAX];              /* of options, in the order of their numbers */
    const char *inputs[CALL_INPUTS_MAX];          /* of all --input */
    unsigned input_count;
    struct config *config; /* for a command that needs it */
};

static bool has_option(const struct arguments *args, int option) {
    return args->options & OPTION_BIT(option);
}

static const char *option_value(const struct arguments *args, int option) {
    return args->values[option - OPTION_JSON];
}

static int show_status(const struct arguments *args) {
    return status_show(args->config,
                       &(struct status_options){args->config_path, option_value(args, OPTION_SITE),
                                                has_option(args, OPTION_JSON)},
                       stdout, stderr);
}

/* Loads the configuration itself: its faults are findings too. */
static int run_doctor(const struct arguments *args) {
    return doctor_run(args->config_path, option_value(args, OPTION_SITE),
                      has_option(args, OPTION_JSON), stdout);
}

static int try_client(const struct arguments *args) {
    return app_try_client(args->config, args->operands[0], stdout) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Needs no configuration: the package makes the key before anybody has written one. */
static int make_key(const struct arguments *args) {
    return app_make_key(args->operands[0], stderr) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Here only if a flag comes before the command: see main. */
static int run_runner(const struct arguments *args) {
    char name[] = "runner", *argv[] = {name, NULL};

    (void)args;
    return runner_command(1, argv);
}

/* As run_runner: its own options are read there. */
static int run_site(const struct arguments *args) {
    char name[] = "site", *argv[OPERANDS_MAX + 2] = {name};

    for (int i = 0; i < OPERANDS_MAX; i++)
        argv[i + 1] = (char *)args->operands[i];
    return site_command(args->operands[1] ? 3 : 2, argv, args->config_path);
}

/* Lets this process start programs as the daemon does: by the runner of RUNNER_SOCKET, or by one of
 * its own. Returns the process id of the latter, 0 for the former, and -1 if there is none. */
static pid_t find_runner(const struct config *c) {
    struct run_state state;
    pid_t pid;

    if (*c->runner_socket) {
        runner_use(c->runner_socket, -1);
        if (runner_ask_state(RUNNER_WAIT_MS, &state))
            return 0;
        (void)fprintf(stderr,
                      "mcp-authd call: RUNNER_SOCKET=%s: %s; the program runs as this user\n",
                      c->runner_socket, strerror(errno));
    }
    pid = runner_begin(c->run_user);
    if (pid < 0)
        (void)fprintf(stderr, "mcp-authd call: programs cannot be started: %s\n", strerror(errno));
    return pid;
}

static int call_tool(const struct arguments *args) {
    const char *dir = option_value(args, OPTION_DIR);
    struct call_options o = {.tool = args->operands[0],
                             .arguments = args->operands[1],
                             .user = option_value(args, OPTION_AS),
                             .scopes = option_value(args, OPTION_SCOPES),
                             .claims = option_value(args, OPTION_CLAIMS),
                             .input_count = args->input_count,
                             .json = has_option(args, OPTION_JSON)};
    pid_t runner;
    int status;

    memcpy(o.inputs, args->inputs, sizeof o.inputs);
    if (dir)
        args->config->tools_dir = dir;
    app_become_service(args->config);
    runner = find_runner(args->config);
    if (runner < 0)
        return CALL_REFUSED;
    status = app_call_tool(args->config, &o);
    if (runner)
        runner_end(runner);
    return status;
}

static int new_tool(const struct arguments *args) {
    const char *dir = option_value(args, OPTION_DIR);

    return app_new_tool(dir ? dir : args->config->tools_dir, args->operands[0],
                        option_value(args, OPTION_LANG))
               ? EXIT_SUCCESS
               : EXIT_FAILURE;
}

static int import(const struct arguments *args) {
    const struct import_options o = {args->operands[0], args->config->servers_dir,
                                     args->config->secrets_dir};

    return import_servers(&o) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* What a command reads of the configuration. */
enum needs {
    NEEDS_NOTHING,
    NEEDS_SOME_VALUES, /* config_load_values, whatever is wrong with others */
    NEEDS_SITE_VALUES, /* config_load_values, but with --site that site's configuration */
    NEEDS_SITE
};

static const struct command {
    const char *name;
    const char *operands; /* the first one is needed; NULL: takes none */
    int operands_max;
    unsigned options; /* OPTION_BITs */
    enum needs needs;
    int (*run)(const struct arguments *args);
    const char *help;
} commands[] = {
    {"status", NULL, 0, OPTION_BIT(OPTION_JSON) | OPTION_BIT(OPTION_SITE), NEEDS_SOME_VALUES,
     show_status, "show what the running daemon does (--json: as JSON)"},
    {"doctor", NULL, 0, OPTION_BIT(OPTION_JSON) | OPTION_BIT(OPTION_SITE), NEEDS_NOTHING,
     run_doctor,
     "check everything that the service needs, and say how to fix what is wrong; exit\n"
     "           status 0: ok, 1: warnings, 2: something will not work (--json: as JSON)"},
    {"site", "list|check|add|enable|disable [NAME]", 2, 0, NEEDS_NOTHING, run_site,
     "list, check, make and switch on and off the sites of SITES_DIR (site --help)"},
    {"call", "TOOL [ARGUMENTS]", 2,
     OPTION_BIT(OPTION_JSON) | OPTION_BIT(OPTION_AS) | OPTION_BIT(OPTION_SCOPES) |
         OPTION_BIT(OPTION_CLAIMS) | OPTION_BIT(OPTION_INPUT) | OPTION_BIT(OPTION_DIR) |
         OPTION_BIT(OPTION_SITE),
     NEEDS_SITE_VALUES, call_tool,
     "call a tool as a client would, without a client, a login or a daemon"},
    {"new-tool", "NAME", 1,
     OPTION_BIT(OPTION_LANG) | OPTION_BIT(OPTION_DIR) | OPTION_BIT(OPTION_SITE), NEEDS_SITE_VALUES,
     new_tool,
     "write a tool to begin with: manifest, program and test (--lang " NEW_TOOL_LANGUAGES ")"},
    {"import", "FILE", 1, OPTION_BIT(OPTION_SITE), NEEDS_SITE_VALUES, import,
     "write a file in SERVERS_DIR for each MCP server of a desktop client's configuration"},
    {"try-client", "URL", 1, OPTION_BIT(OPTION_SITE), NEEDS_SITE, try_client,
     "fetch and check a client's metadata document as a login would"},
    {"runner", NULL, 0, 0, NEEDS_NOTHING, run_runner,
     "start programs for a daemon; itself started by systemd or by the daemon"},
    {"make-key", "FILE", 1, 0, NEEDS_NOTHING, make_key,
     "make a sealing key file if there is none, and check it"},
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

static void usage(FILE *out) {
    (void)fputs("usage: mcp-authd [-c FILE] [-t | -p | -V]\n"
                "       mcp-authd COMMAND [-c FILE] [ARGUMENTS]\n"
                "  -c FILE  configuration (" CONFIG_STANDARD_PATH ")\n"
                "  -t       check the configuration and everything it names, print it, and exit\n"
                "  -p       print an annotated configuration file with the defaults, and exit\n"
                "  -V       print the version, and exit (--version)\n"
                "  -h       print this, or the usage of the command, and exit (--help)\n"
                "Runs in the foreground and logs to stderr. Commands:\n",
                out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        (void)fprintf(out, "  %s%s%s\n           %s\n", commands[i].name,
                      commands[i].operands ? " " : "",
                      commands[i].operands ? commands[i].operands : "", commands[i].help);
}

/* What the value of an option is, for its usage. */
static const char *const value_words[OPTIONS_MAX] = {
    [OPTION_AS - OPTION_JSON] = "USER",     [OPTION_SCOPES - OPTION_JSON] = "SCOPES",
    [OPTION_CLAIMS - OPTION_JSON] = "JSON", [OPTION_INPUT - OPTION_JSON] = "JSON",
    [OPTION_DIR - OPTION_JSON] = "DIR",     [OPTION_LANG - OPTION_JSON] = "LANGUAGE",
    [OPTION_SITE - OPTION_JSON] = "NAME"};

static void usage_of(const struct command *c, FILE *out) {
    (void)fprintf(out, "usage: mcp-authd %s [-c FILE]", c->name);
    for (int i = 0; i < OPTIONS_MAX; i++) {
        const bool must = i == OPTION_LANG - OPTION_JSON;

        if (c->options & 1U << i)
            (void)fprintf(out, " %s--%s%s%s%s", must ? "" : "[", long_options[i].name,
                          value_words[i] ? " " : "", value_words[i] ? value_words[i] : "",
                          must ? "" : "]");
    }
    (void)fprintf(out, "%s%s\n", c->operands ? " " : "", c->operands ? c->operands : "");
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

/* false: it has said why. */
static bool set_mode(struct arguments *args, char mode) {
    if (args->mode && args->mode != mode) {
        (void)fprintf(stderr, "mcp-authd: -%c and -%c exclude each other\n", args->mode, mode);
        return false;
    }
    args->mode = mode;
    return true;
}

static bool set_option(struct arguments *args, int option, const char *value) {
    args->options |= OPTION_BIT(option);
    args->values[option - OPTION_JSON] = value;
    if (option != OPTION_INPUT)
        return true;
    if (args->input_count == CALL_INPUTS_MAX) {
        (void)fprintf(stderr, "mcp-authd: --input is given more than %d times\n", CALL_INPUTS_MAX);
        return false;
    }
    args->inputs[args->input_count++] = value;
    return true;
}

/* getopt_long says what is wrong with an option, and puts what is none behind the options. */
static bool read_options(int argc, char **argv, struct arguments *args) {
    bool good = true;
    int opt;

    while ((opt = getopt_long(argc, argv, "c:tpVh", long_options, NULL)) != -1) {
        if (opt == 'c')
            args->config_path = optarg;
        else if (opt >= OPTION_JSON)
            good = set_option(args, opt, optarg) && good;
        else if (opt == '?')
            good = false;
        else
            good = set_mode(args, (char)opt) && good;
    }
    return good;
}

static bool read_operands(int argc, char **argv, struct arguments *args) {
    char **words = argv + optind; /* argv ends in NULL */
    const struct command *c = find_command(words[0]);
    int count = argc - optind, max = c && c->operands_max ? c->operands_max : 1;

    args->command = words[0];
    for (int i = 0; i < OPERANDS_MAX && i < count - 1; i++)
        args->operands[i] = words[i + 1];
    if (args->command && !strcmp(args->command, "help")) {
        args->command = args->operands[0];
        args->operands[0] = NULL;
        args->mode = 'h';
    } else if (args->command && !strcmp(args->command, "version")) {
        args->command = NULL;
        args->mode = 'V';
    }
    if (count <= 1 + max)
        return true;
    (void)fprintf(stderr, "mcp-authd: %s is one argument too many\n", argv[argc - 1]);
    return false;
}

/* The first option that is given and that the command does not know. */
static const char *foreign_option(const struct command *c, const struct arguments *args) {
    for (int i = 0; i < OPTIONS_MAX; i++)
        if (args->options & ~(c ? c->options : 0) & 1U << i)
            return long_options[i].name;
    return NULL;
}

/* Does what was given go with the command? */
static bool fits(const struct command *c, const struct arguments *args) {
    const char *foreign = foreign_option(c, args);

    if (args->mode)
        (void)fprintf(stderr, "mcp-authd: -%c goes with no command\n", args->mode);
    else if (foreign)
        (void)fprintf(stderr, "mcp-authd %s does not know --%s\n", c->name, foreign);
    else if (args->operands[0] && !c->operands)
        (void)fprintf(stderr, "mcp-authd %s takes no argument such as %s\n", c->name,
                      args->operands[0]);
    else if (!args->operands[0] && c->operands)
        (void)fprintf(stderr, "mcp-authd %s needs a %.*s\n", c->name,
                      (int)strcspn(c->operands, " "), c->operands);
    else if (c->options & OPTION_BIT(OPTION_LANG) && !has_option(args, OPTION_LANG))
        (void)fprintf(stderr, "mcp-authd %s needs --lang " NEW_TOOL_LANGUAGES "\n", c->name);
    else
        return true;
    return false;
}

static int with_values(struct arguments *args, const struct command *c) {
    int status = EXIT_USAGE;

    args->config = config_load_values(args->config_path, c->needs == NEEDS_SOME_VALUES, stderr);
    if (args->config)
        status = c->run(args);
    config_free(args->config);
    return status;
}

/* The configuration of --site, or of the only one; NULL: it has said why there is none. */
static struct config *find_site(const struct config_sites *sites, const char *name) {
    const struct config_site *site = config_sites_find(sites, name ? name : "");

    if (site)
        return site->config;
    if (!name && sites->count == 1)
        return sites->all[0].config;
    if (name)
        (void)fprintf(stderr, "mcp-authd: there is no site %s in %s\n", name,
                      sites->host->sites_dir);
    else
        (void)fprintf(stderr, "mcp-authd: there are several sites: choose one by --site NAME\n");
    return NULL;
}

static int with_site(struct arguments *args, int (*run)(const struct arguments *args)) {
    struct site_set *sites = site_set_load(args->config_path, NULL, NULL, stderr);
    int status = EXIT_USAGE;

    args->config = sites ? find_site(sites->config, option_value(args, OPTION_SITE)) : NULL;
    if (args->config)
        status = run(args);
    site_set_free(sites);
    return status;
}

static int serve(const struct arguments *args) {
    struct site_set *sites = site_set_load(args->config_path, NULL, NULL, stderr);

    return sites ? server_run(args->config_path, sites, NULL) : EXIT_USAGE;
}

static int without_command(struct arguments *args) {
    const char *option = foreign_option(NULL, args);

    if (option) {
        (void)fprintf(stderr, "mcp-authd: --%s goes with a command\n", option);
        return wrong(NULL);
    }
    if (args->mode == 'h')
        usage(stdout);
    else if (args->mode == 'V')
        (void)puts("mcp-authd " MCP_AUTHD_VERSION);
    else if (args->mode == 'p')
        config_print_annotated(stdout);
    else
        return args->mode == 't' ? check_all(args->config_path) : serve(args);
    return EXIT_SUCCESS;
}

static int run_command(const struct command *c, struct arguments *args) {
    const bool has_site = has_option(args, OPTION_SITE);

    if (c->needs == NEEDS_SITE || (c->needs == NEEDS_SITE_VALUES && has_site))
        return with_site(args, c->run);
    return c->needs == NEEDS_NOTHING ? c->run(args) : with_values(args, c);
}

/* What was printed is lost on a full disk. */
static int finish(int status) {
    errno = 0; /* it stays so if an earlier write has failed */
    if (!status && (fflush(stdout) || ferror(stdout))) {
        (void)fprintf(stderr, "mcp-authd: standard output: %s\n",
                      errno ? strerror(errno) : "not all could be written");
        return EXIT_FAILURE;
    }
    return status;
}

int main(int argc, char **argv) {
    struct arguments args = {.config_path = CONFIG_STANDARD_PATH};
    const struct command *c;
    bool good;

    if (argc > 1 && !strcmp(argv[1], "runner")) /* it has options of its own, and no -c */
        return runner_command(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "bridge")) /* for the runner alone */
        return bridge_command(argc - 1, argv + 1);
    config_on_provider(idp_check_config);
    errors_name_metrics();
    if (argc > 1 && !strcmp(argv[1], "site"))
        return finish(site_command(argc - 1, argv + 1, CONFIG_STANDARD_PATH));
    if (argc > 3 && !strcmp(argv[1], "-c") && !strcmp(argv[3], "site"))
        return finish(site_command(argc - 3, argv + 3, argv[2]));
    good = read_options(argc, argv, &args) && read_operands(argc, argv, &args);
    if (!good && !args.command && optind < argc)
        args.command = argv[optind];
    c = find_command(args.command);
    if (!good)
        return wrong(c);
    if (!args.command)
        return finish(without_command(&args));
    if (!c)
        return unknown_command(args.command);
    if (args.mode == 'h') {
        usage_of(c, stdout);
        return finish(EXIT_SUCCESS);
    }
    if (!fits(c, &args))
        return wrong(c);
    return finish(run_command(c, &args));
}
