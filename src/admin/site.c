#include "admin/site.h"

#include <getopt.h>

#define SITE_ARENA_MAX (8 << 20)

enum { OPTION_JSON = 256, OPTION_VALUE };

/* Options of `add`: OPTION_VALUE and the place in here. Anything else is given as KEY=VALUE. */
static const struct site_option {
    const char *option, *key;
} value_options[] = {{"uri", "MCP_SERVER_URI"},
                     {"issuer", "AUTH_PROXY_URI"},
                     {"region", "COGNITO_REGION"},
                     {"pool", "COGNITO_USER_POOL_ID"},
                     {"client", "COGNITO_CLIENT_ID"},
                     {"domain", "COGNITO_DOMAIN"},
                     {"user", "RUN_USER"},
                     {"tools", "TOOLS_DIR"}};
#define VALUE_OPTIONS (sizeof value_options / sizeof *value_options)

struct site_arguments {
    const char *config_path, *action, *name;
    bool json, help, bad;
    struct site_value values[SITE_VALUES_MAX];
    unsigned count;
};

static const struct action {
    const char *word;
    bool takes_name, needs_name, takes_json, takes_values;
    int (*run)(const struct site_job *j);
    const char *help;
} actions[] = {
    {"list", false, false, true, false, site_list, "list [--json]\n      show all sites"},
    {"check", true, false, false, false, site_check,
     "check [NAME]\n      check the files of all sites, or of one, switched off or not"},
    {"add", true, true, false, true, site_add,
     "add NAME --uri URL [--issuer URL] [--region REGION] [--pool ID] [--client ID]\n"
     "          [--domain DOMAIN] [--user NAME] [--tools DIR] [KEY=VALUE]...\n"
     "      write the file of a new site, if it is right beside all others"},
    {"enable", true, true, false, false, site_enable, "enable NAME\n      switch a site on again"},
    {"disable", true, true, false, false, site_disable,
     "disable NAME\n      switch a site off; its file and its state stay"},
};
#define ACTION_COUNT (sizeof actions / sizeof *actions)

static void usage(FILE *out) {
    (void)fputs("usage: mcp-authd site [-c FILE] ACTION\n", out);
    for (size_t i = 0; i < ACTION_COUNT; i++)
        (void)fprintf(out, "  %s\n", actions[i].help);
    (void)fputs("What they change is read by the daemon with: systemctl reload mcp-authd\n", out);
}

static const struct action *find_action(const char *word) {
    for (size_t i = 0; word && i < ACTION_COUNT; i++)
        if (!strcmp(actions[i].word, word))
            return &actions[i];
    return NULL;
}

/* ---- the arguments ---- */

static void add_value(struct site_arguments *args, const char *key, const char *value) {
    if (args->count == SITE_VALUES_MAX) {
        (void)fprintf(stderr, "mcp-authd site: there are more than %d values\n", SITE_VALUES_MAX);
        args->bad = true;
        return;
    }
    args->values[args->count++] = (struct site_value){key, value};
}

static void read_options(int argc, char **argv, struct site_arguments *args) {
    struct option names[VALUE_OPTIONS + 3] = {{"json", no_argument, NULL, OPTION_JSON},
                                              {"help", no_argument, NULL, 'h'}};
    int opt;

    for (size_t i = 0; i < VALUE_OPTIONS; i++)
        names[i + 2] = (struct option){value_options[i].option, required_argument, NULL,
                                       OPTION_VALUE + (int)i};
    optind = 0; /* from the start: getopt may have read before */
    while ((opt = getopt_long(argc, argv, "c:h", names, NULL)) != -1) {
        if (opt == 'c')
            args->config_path = optarg;
        else if (opt == 'h')
            args->help = true;
        else if (opt == OPTION_JSON)
            args->json = true;
        else if (opt >= OPTION_VALUE)
            add_value(args, value_options[opt - OPTION_VALUE].key, optarg);
        else
            args->bad = true;
    }
}

/* Behind the options, where getopt puts them: the action, the name, and KEY=VALUE. */
static void read_words(char **words, struct arena *a, struct site_arguments *args) {
    args->action = *words;
    for (words += *words != NULL; *words; words++) {
        const char *eq = strchr(*words, '=');

        if (eq) {
            add_value(args, arena_strndup(a, *words, (size_t)(eq - *words)), eq + 1);
        } else if (!args->name) {
            args->name = *words;
        } else {
            (void)fprintf(stderr, "mcp-authd site: %s is one argument too many\n", *words);
            args->bad = true;
        }
    }
}

/* Does what was given go with the action? */
static bool fits(const struct action *action, const struct site_arguments *args) {
    if (args->name && !action->takes_name)
        (void)fprintf(stderr, "mcp-authd site %s takes no NAME\n", action->word);
    else if (!args->name && action->needs_name)
        (void)fprintf(stderr, "mcp-authd site %s needs a NAME\n", action->word);
    else if (args->json && !action->takes_json)
        (void)fprintf(stderr, "mcp-authd site %s does not know --json\n", action->word);
    else if (args->count && !action->takes_values)
        (void)fprintf(stderr, "mcp-authd site %s takes no values\n", action->word);
    else if (args->name && !config_is_site_name(args->name))
        (void)fprintf(stderr,
                      "mcp-authd site: a site's name has at most %d letters, digits, \"_\", \"-\" "
                      "and \".\"\n",
                      SITE_NAME_MAX);
    else
        return true;
    return false;
}

/* ---- the command ---- */

static int run(const struct action *action, struct site_arguments *args, struct arena *a) {
    struct config *host = config_load_values(args->config_path, false, stderr);
    struct site_job job = {.config_path = args->config_path,
                           .name = args->name,
                           .arena = a,
                           .as_json = args->json,
                           .values = args->values,
                           .value_count = args->count};
    int status = EXIT_WRONG;

    if (!host)
        return EXIT_WRONG;
    job.dir = host->sites_dir;
    if (*job.dir)
        status = action->run(&job);
    else
        (void)fputs("mcp-authd site: SITES_DIR is empty: there are no sites\n", stderr);
    config_free(host);
    return status;
}

int site_command(int argc, char **argv, const char *config_path) {
    struct site_arguments args = {.config_path = config_path};
    struct arena *a = arena_new(SITE_ARENA_MAX);
    const struct action *action;
    int status = EXIT_WRONG;

    read_options(argc, argv, &args);
    read_words(argv + optind, a, &args);
    action = find_action(args.action);
    if (args.help) {
        usage(stdout);
        status = EXIT_SUCCESS;
    } else if (args.bad || !action) {
        if (args.action && !action)
            (void)fprintf(stderr, "mcp-authd site has no action %s\n", args.action);
        usage(stderr);
    } else if (!fits(action, &args)) {
        (void)fputs("See mcp-authd site --help.\n", stderr);
    } else {
        status = run(action, &args, a);
    }
    arena_free(a);
    return status;
}

const char *site_path(const struct site_job *j, bool enabled) {
    return arena_printf(j->arena, "%s/%s%s", j->dir, j->name,
                        enabled ? SITE_FILE_END : SITE_OFF_END);
}
