/* The command line, each time in a process of its own, since getopt and _exit have global
 * effects. */
#include "unit.h"

#include <sys/wait.h>

/* main.c itself, under another name. */
int command_line(int argc, char **argv);
#define main command_line
#include "main.c"
#undef main

#define WORDS_MAX 8

/* Runs it. What it says to either is in `out`; returns the exit status. */
static int run(const char *line, char *out, size_t room) {
    char name[] = "mcp-authd", copy[256], *words[WORDS_MAX] = {name}, *save = NULL;
    int argc = 1, fds[2], status;
    size_t len = 0;
    ssize_t n;
    pid_t pid;

    snprintf(copy, sizeof copy, "%s", line);
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
        words[argc++] = w;
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        dup2(fds[1], STDOUT_FILENO);
        dup2(fds[1], STDERR_FILENO);
        status = command_line(argc, words);
        fflush(stdout);
        _exit(status);
    }
    close(fds[1]);
    while (len + 1 < room && (n = read(fds[0], out + len, room - len - 1)) > 0)
        len += (size_t)n;
    out[len] = 0;
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void what_is_given_is_understood_or_refused_with_a_reason(void **state) {
    static const struct {
        const char *line;
        int status;
        const char *said;
    } cases[] = {
        {"--help", 0, "usage: mcp-authd [-c FILE]"},
        {"-h", 0, "usage: mcp-authd [-c FILE]"},
        {"help", 0, "usage: mcp-authd [-c FILE]"},
        {"help doctor", 0, "usage: mcp-authd doctor [-c FILE] [--json] [--site NAME]\n"},
        {"help site", 0, "usage: mcp-authd site [-c FILE] list|check|add|enable|disable [NAME]\n"},
        {"site --help", 0, "usage: mcp-authd site [-c FILE] ACTION\n  list [--json]"},
        {"-c /none site list", 2, "/none: cannot be read: No such file or directory\n"},
        {"doctor --help", 0, "usage: mcp-authd doctor"},
        {"-h doctor", 0, "usage: mcp-authd doctor"},
        {"--version", 0, "mcp-authd " MCP_AUTHD_VERSION "\n"},
        {"-V", 0, "mcp-authd " MCP_AUTHD_VERSION "\n"},
        {"version", 0, "mcp-authd " MCP_AUTHD_VERSION "\n"},
        {"-p", 0, "# Configuration of mcp-authd"},
        /* flags before and after the command: both read the file that is not there */
        {"-c /nonexistent status", 2, "/nonexistent: cannot be read"},
        {"status -c /nonexistent", 2, "/nonexistent: cannot be read"},
        {"-c /nonexistent doctor", 2, "/nonexistent: cannot be read"},
        {"--json -c /nonexistent doctor", 2, "{\"status\":\"fail\""},
        {"doctor -c /nonexistent --json", 2, "{\"status\":\"fail\""},
        {"-c /nonexistent try-client https://a.example/x", 2, "/nonexistent: cannot be read"},
        {"try-client https://a.example/x -c /nonexistent", 2, "/nonexistent: cannot be read"},
        {"-t -c /nonexistent", 2, "/nonexistent: cannot be read"},
        {"-c /nonexistent", 2, "/nonexistent: cannot be read"},
        /* what is unknown or does not fit */
        {"docter", 2, "mcp-authd has no command docter; did you mean doctor?\n"},
        {"frobnicate", 2, "mcp-authd has no command frobnicate\n"},
        {"/etc/x.conf", 2, "a configuration is given by -c FILE\n"},
        {"help frobnicate", 2, "mcp-authd has no command frobnicate\n"},
        {"-x", 2, "invalid option -- 'x'"},
        {"--jsn doctor", 2, "unrecognized option '--jsn'"},
        {"doctor -x", 2, "usage: mcp-authd doctor [-c FILE] [--json] [--site NAME]\n"},
        {"-c", 2, "option requires an argument -- 'c'"},
        {"-t -p", 2, "-t and -p exclude each other"},
        {"-t doctor", 2, "mcp-authd: -t goes with no command\n"},
        {"--json", 2, "--json goes with a command\n"},
        {"make-key --json /nonexistent/x", 2, "mcp-authd make-key does not know --json\n"},
        {"make-key", 2, "mcp-authd make-key needs a FILE\n"},
        {"status now", 2, "mcp-authd status takes no argument such as now\n"},
        {"call", 2, "mcp-authd call needs a TOOL\n"},
        {"call a {} b", 2, "b is one argument too many\n"},
        {"call a --lang sh", 2, "mcp-authd call does not know --lang\n"},
        {"call --as", 2, "option '--as' requires an argument"},
        {"help call", 0,
         "[--json] [--as USER] [--scopes SCOPES] [--claims JSON] [--input JSON] [--dir DIR] "
         "[--site NAME] "
         "TOOL"},
        {"new-tool a", 2, "mcp-authd new-tool needs --lang sh python c node\n"},
        {"new-tool --lang perl a --dir /nonexistent", 1, "--lang perl is none of sh python c node"},
        {"new-tool --lang sh a/b --dir /nonexistent", 1, "the name must be 1 to 128 of"},
        {"new-tool --lang c a --dir /nonexistent", 1, "/nonexistent/a.json: No such file"},
        {"--dir /x", 2, "mcp-authd: --dir goes with a command\n"},
        {"call -c /nonexistent whoami", 2, "/nonexistent: cannot be read"},
        {"try-client a b", 2, "b is one argument too many\n"},
        {"make-key /nonexistent/x", 1, "/nonexistent/x"},
    };
    char out[16384];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = run(cases[i].line, out, sizeof out);

        if (status != cases[i].status || !strstr(out, cases[i].said))
            fail_msg("%s: %d: %s", cases[i].line, status, out);
    }
}

/* A reason, and where to read on: not the whole of the help. */
static void a_mistake_is_answered_in_two_lines(void **state) {
    static const char *const lines[] = {"docter", "-x", "doctor -x", "-t -p", "make-key", "--json"};
    char out[16384];

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        size_t n = 0;

        assert_int_equal(run(lines[i], out, sizeof out), 2);
        for (const char *p = out; *p; p++)
            n += *p == '\n';
        if (n != 2)
            fail_msg("%s: %s", lines[i], out);
    }
}

/* One line a fault, with the key and what was read, also of what only -t looks at. */
static void a_check_names_the_key_and_the_value(void **state) {
    char path[UNIT_PATH_MAX], line[UNIT_PATH_MAX + sizeof "-t -c "], out[16384];

    (void)state;
    file_make(path);
    file_write(path,
               "MCP_SERVER_URI=https://mcp.example.com/mcp\nCOGNITO_DOMAIN=login\n"
               "COGNITO_USER_POOL_ID=eu-west-1_Abc\nCOGNITO_CLIENT_ID=client\n"
               "CLIENT_METADATA_ALLOW_NETS=10.0.0.0/99\n"
               "CLIENT_METADATA_CA_FILE=/nonexistent.pem\n"
               "SECRET_KEY_FILE=/nonexistent.key\n",
               0600);
    snprintf(line, sizeof line, "-t -c %s", path);
    assert_int_equal(run(line, out, sizeof out), 2);
    assert_non_null(strstr(out, "\nCLIENT_METADATA_ALLOW_NETS=10.0.0.0/99: "));
    assert_non_null(strstr(out, "\nCLIENT_METADATA_CA_FILE=/nonexistent.pem: "));
    assert_non_null(strstr(out, "\nSECRET_KEY_FILE: /nonexistent.key: there is no such file"));
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_given_is_understood_or_refused_with_a_reason),
        cmocka_unit_test(a_mistake_is_answered_in_two_lines),
        cmocka_unit_test(a_check_names_the_key_and_the_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
