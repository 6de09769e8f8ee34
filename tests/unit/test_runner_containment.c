/* What a program can reach, and what it is given: paths, other processes, limits, a private
 * directory, secrets; as the same user and, if the test is root's, as another one. */
#include "unit.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "runner/landlock.h"
#include "runner/process.h"
#include "runner_fixture.h"

#define OTHER_USER "nobody"
#define CGROUPS "/sys/fs/cgroup/unified" /* where this one is not systemd's */

static struct arena *a;
static char dir[UNIT_PATH_MAX], other[UNIT_PATH_MAX]; /* the program's directory; another one */

static int begin(void **state) {
    (void)state;
    a = arena_new(UNIT_ARENA_BYTES);
    folder_make(dir);
    folder_make(other);
    file_write_in(dir, "own", "own\n", 0644);
    file_write_in(other, "key", "key\n", 0644);
    assert_int_equal(chmod(dir, 0755), 0);
    assert_int_equal(chmod(other, 0755), 0);
    return 0;
}

static int end(void **state) {
    (void)state;
    folder_remove(dir);
    folder_remove(other);
    arena_free(a);
    return 0;
}

static int secrets[2];

static struct process_result run_with(const char *script, const struct run_request *c) {
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    const char *const envp[] = {"PATH=/usr/bin:/bin", arena_printf(a, "OTHER=%s", other), NULL};
    struct process_spec spec = {
        .secrets = secrets, .timeout_ms = RUN_ENOUGH_MS, .output_max = 65536};
    struct process_result r;

    if (c)
        spec.run = *c;
    spec.run.argv = argv;
    spec.run.envp = envp;
    spec.run.dir = dir;
    process_run(a, &spec, &r);
    return r;
}

static struct process_result run(const char *script) {
    return run_with(script, NULL);
}

static void need_landlock(unsigned abi) {
    if (landlock_abi() < abi)
        skip();
}

/* ---- paths ---- */

static void it_reads_its_own_directory_and_no_other(void **state) {
    struct process_result r = run("cat own; cat $OTHER/key; ls $OTHER; ls /tmp /home /var");

    (void)state;
    need_landlock(1);
    assert_string_equal(r.out.p, "own\n");
}

static void it_writes_nowhere(void **state) {
    struct process_result r =
        run("for f in ./new $OTHER/new /tmp/new-$$ /var/tmp/new-$$ /dev/shm/new-$$ /etc/new-$$; do "
            "{ echo >$f; } 2>/dev/null && echo $f; done; rm -f own && echo removed; "
            "mv own owned && echo moved; echo done >/dev/null && echo end");

    (void)state;
    need_landlock(1);
    assert_string_equal(r.out.p, "end\n");
}

static void paths_of_the_manifest_are_opened(void **state) {
    const char *const paths[] = {other, NULL};
    const struct run_request may_read = {.read = paths}, may_write = {.write = paths};
    struct process_result r =
        run_with("cat $OTHER/key; echo >$OTHER/new && echo written", &may_read);

    (void)state;
    need_landlock(1);
    assert_string_equal(r.out.p, "key\n");
    r = run_with(
        "echo x >$OTHER/new && mkdir $OTHER/d && mv $OTHER/new $OTHER/d && cat $OTHER/d/new",
        &may_write);
    assert_string_equal(r.out.p, "x\n");
}

static void what_serves_the_administration_is_read_only_if_the_manifest_says_so(void **state) {
    const char *const paths[] = {"/etc/pam.d", NULL};
    const struct run_request may_read = {.read = paths};
    const char *command = "ls /etc/apt; cat /etc/pam.d/other >/dev/null && echo pam; "
                          "ls /etc/ssl >/dev/null && cat /etc/passwd >/dev/null && echo end";
    struct process_result r = run(command);

    (void)state;
    need_landlock(1);
    assert_string_equal(r.out.p, "end\n");
    r = run_with(command, &may_read);
    assert_string_equal(r.out.p, "pam\nend\n");
}

static void entries_of_etc_are_told_by_their_names(void **state) {
    static const char *const left_out[] = {"apt",     "rc2.d",     "cron.daily",    "crontab",
                                           "passwd-", "sudoers.d", "logrotate.conf"};
    static const char *const seen[] = {
        "passwd", "group",   "resolv.conf", "networks",        "ssl",   "php",
        "fonts",  "python3", "perl",        "java-17-openjdk", "login", "localtime"};

    (void)state;
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        assert_true(landlock_is_administration(left_out[i]));
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++)
        assert_false(landlock_is_administration(seen[i]));
}

static void a_path_that_is_not_there_is_told(void **state) {
    const char *const paths[] = {"/nonexistent", NULL};
    const struct run_request c = {.read = paths};
    struct process_result r = run_with("echo no", &c);

    (void)state;
    need_landlock(1);
    assert_int_equal(r.end, PROCESS_NOT_STARTED);
    assert_int_equal(r.code, ENOENT);
    assert_string_equal(r.step, run_step_text(RUN_STEP_PATHS));
}

/* Rules are kept for the next run, and are rules of files: a new directory of the same name is
 * another one. */
static void a_directory_that_was_replaced_is_read(void **state) {
    struct process_result r = run("cat own");
    const char *before = arena_printf(a, "%s-before", dir);

    (void)state;
    assert_string_equal(r.out.p, "own\n");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rename(dir, before), 0);
        assert_int_equal(mkdir(dir, 0755), 0);
        file_write_in(dir, "own", "new\n", 0644);
        r = run("cat own");
        assert_string_equal(r.out.p, "new\n");
        folder_remove(before);
    }
}

/* ---- processes ---- */

static void it_neither_signals_nor_traces_the_daemon(void **state) {
    char *script = arena_printf(a,
                                "kill -0 %d && echo signalled; cat /proc/%d/mem && echo memory; "
                                "cat /proc/%d/environ && echo environment; "
                                "readlink /proc/%d/fd/0 && echo descriptors; echo end",
                                (int)getpid(), (int)getpid(), (int)getpid(), (int)getpid());
    struct process_result r = run(script);

    (void)state;
    need_landlock(6);
    assert_string_equal(r.out.p, "end\n");
}

/* No signal of a child that ends stops it from starting the next one. */
static void a_shell_starts_programs_while_others_end(void **state) {
    (void)state;
    assert_string_equal(
        run("i=0; while [ $i -lt 100 ]; do true | true | true; i=$((i + 1)); done; echo $i").out.p,
        "100\n");
}

static void it_signals_its_own_processes(void **state) {
    struct process_result r = run("sleep 100 & kill $! && wait $!; echo $?");

    (void)state;
    assert_string_equal(r.out.p, "143\n");
}

static void it_does_not_reach_the_runner(void **state) {
    struct process_result r =
        run(arena_printf(a, "cat /proc/$PPID/environ; ls /proc/$PPID/map_files; "
                            "kill -0 $PPID && echo signalled; ls /tmp/runner*; echo end"));

    (void)state;
    need_landlock(1);
    assert_string_equal(r.out.p, "end\n");
}

static void it_may_open_its_own_descriptors_anew(void **state) {
    struct process_result r = run("echo out >/dev/stdout; echo err >/dev/stderr");

    (void)state;
    assert_string_equal(r.out.p, "out\n");
    assert_string_equal(r.err.p, "err\n");
}

/* ---- limits ---- */

static void open_files_and_file_size_are_limited(void **state) {
    const char *const paths[] = {dir, NULL};
    const struct run_request c = {.write = paths, .limits = {.open_files = 20, .file_size = 8192}};
    struct process_result r =
        run_with("ulimit -n; head -c 100000 /dev/zero >big; wc -c <big; ulimit -c", &c);

    (void)state;
    if (under_valgrind()) /* it keeps its own limit of open files */
        skip();
    assert_string_equal(r.out.p, "20\n8192\n0\n");
    r = run("ulimit -n");
    assert_string_equal(r.out.p, "1024\n");
}

static void memory_is_limited(void **state) {
    const struct run_request c = {.limits = {.memory = 64 << 20}};
    const char *fill = "x=0123456789; while :; do x=$x$x$x; done";
    struct process_result r = run_with(fill, &c);

    (void)state;
    assert_true(r.end == PROCESS_SIGNALLED || (r.end == PROCESS_EXITED && r.code));
    assert_true(r.ms < RUN_SOON_MS);
    assert_true(r.max_rss_kib < 128 << 10);
}

static void what_it_has_used_is_told(void **state) {
    struct process_result r = run("i=0; while [ $i -lt 50000 ]; do i=$((i + 1)); done");

    (void)state;
    assert_int_equal(r.end, PROCESS_EXITED);
    assert_true(r.cpu_us > 1000);
    assert_true(r.max_rss_kib > 500);
}

/* ---- what it is given ---- */

static void a_private_directory_is_removed(void **state) {
    const struct run_request c = {.home = true};
    struct process_result r =
        run_with("cd && pwd && [ \"$HOME\" = \"$TMPDIR\" ] && echo same && echo x >file && "
                 "mkdir -p a/b/c && echo y >a/b/c/file && chmod 0 a/b a . && mktemp 2>&1 | wc -l",
                 &c);
    char *home = arena_strndup(a, r.out.p, strcspn(r.out.p, "\n"));

    (void)state;
    assert_int_equal(r.end, PROCESS_EXITED);
    assert_non_null(strstr(r.out.p, "\nsame\n"));
    for (int i = 0; i < 10000 && !access(home, F_OK); i++)
        (void)usleep(1000);
    assert_int_equal(access(home, F_OK), -1);
    /* Each run has an empty one. */
    r = run_with("ls -A $HOME; ls -ld $HOME | cut -c1-10", &c);
    assert_string_equal(r.out.p, "drwx------\n");
    r = run("echo ${HOME-none}");
    assert_string_equal(r.out.p, "none\n");
}

static void a_deep_tree_is_removed_too(void **state) {
    const struct run_request c = {.home = true};
    /* 1,100 levels, 100 by each mkdir: more than it may have open, and a longer path than PATH_MAX
     * (which cd without -P does not exceed). */
    struct process_result r =
        run_with("cd; pwd; p=four; while [ ${#p} -lt 499 ]; do p=$p/four; done; i=0; while [ $i "
                 "-lt 11 ]; do "
                 "mkdir -p $p && cd -P $p && echo >f || break; i=$((i + 1)); done; echo $i",
                 &c);
    char *home = arena_strndup(a, r.out.p, strcspn(r.out.p, "\n"));

    (void)state;
    assert_int_equal(r.end, PROCESS_EXITED);
    assert_non_null(strstr(r.out.p, "\n11\n"));
    for (int i = 0; i < 10000 && !access(home, F_OK); i++)
        (void)usleep(1000);
    assert_int_equal(access(home, F_OK), -1);
}

static int secret(const char *text) {
    int fd = memfd_create("secret", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL), 0);
    return fd;
}

static void secrets_are_descriptors(void **state) {
    const struct run_request c = {.secrets = 2};
    struct process_result r;

    (void)state;
    secrets[0] = secret("one");
    secrets[1] = secret("two");
    r = run_with("cat /proc/self/fd/3 /dev/fd/4; echo; { echo z >/dev/fd/3; } 2>/dev/null || "
                 "cat /dev/fd/3; ls /proc/self/fd | tr '\\n' ' '",
                 &c);
    assert_string_equal(r.out.p, "onetwo\none0 1 2 3 4 5 ");
    (void)close(secrets[0]);
    (void)close(secrets[1]);
}

/* ---- another user ---- */

static void need_root(void) {
    if (geteuid())
        skip();
}

static void as_another_user_it_is_that_user(void **state) {
    struct process_result r;
    pid_t own = runner_of_group, pid;

    (void)state;
    need_root();
    pid = runner_start(&(struct runner_options){.user = OTHER_USER});
    r = run("id -un; id -Gn | wc -w; cat own; echo e >/dev/stderr; cat /etc/shadow");
    assert_string_equal(r.out.p, "nobody\n1\nown\n");
    assert_true(!strncmp(r.err.p, "e\n", 2));
    r = run_with("cd && echo x >f && cat f", &(struct run_request){.home = true});
    assert_string_equal(r.out.p, "x\n");
    assert_int_equal(runner_stop(pid), 0);
    (void)runner_stop(own);
    (void)runner_setup(NULL);
}

/* The sockets of runners become open to all, so that their mode is not what refuses. */
static void open_connectors(void) {
    struct stat st;

    for (int fd = 3; fd < 256; fd++)
        if (!fstat(fd, &st) && S_ISSOCK(st.st_mode) && fcntl(fd, F_GETFL) & O_PATH)
            assert_int_equal(chmod(arena_printf(a, "/proc/self/fd/%d", fd), 0666), 0);
}

static bool can_ask(uid_t uid) {
    pid_t child = fork();
    int status;

    if (child == 0) {
        struct run_state in_force;

        _exit(setuid(uid) || prctl(PR_SET_DUMPABLE, 1) || !runner_ask_state(5000, &in_force));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status == 0;
}

static void who_is_not_its_client_gets_nothing(void **state) {
    const uid_t stranger = getpwnam(OTHER_USER)->pw_uid, client = getpwnam("daemon")->pw_uid;
    pid_t pid, own = runner_of_group;

    (void)state;
    need_root();
    pid = runner_start(&(struct runner_options){.client_user = "daemon"});
    open_connectors();
    assert_true(can_ask(0));
    assert_true(can_ask(client));
    assert_false(can_ask(stranger));
    assert_int_equal(runner_stop(pid), 0);
    (void)runner_stop(own);
    (void)runner_setup(NULL);
}

/* ---- control groups ---- */

/* What has left the session, and whose parents are gone, is killed with its group. */
static void everything_in_its_control_group_is_killed(void **state) {
    char *group = arena_printf(a, CGROUPS "/mcp-authd-unit-%d", (int)getpid());
    const char *const paths[] = {dir, NULL};
    const struct run_request c = {.write = paths};
    pid_t pid, own = runner_of_group;
    struct process_result r;
    struct run_state in_force;

    (void)state;
    if (under_valgrind() || mkdir(group, 0755)) /* it does not know clone3 */
        skip();
    pid = runner_start(&(struct runner_options){.cgroup = group});
    assert_true(runner_ask_state(2000, &in_force));
    assert_int_equal(in_force.cgroups, 1);
    for (int i = 0; i < 3; i++) {
        r = run_with("cat /proc/self/cgroup | sed -n 's/^0:://p'; "
                     "setsid sh -c 'setsid sh -c \"echo \\$\\$ >inner; exec sleep 100\" & ' & "
                     "while [ ! -s inner ]; do :; done; cat inner",
                     &c);
        assert_int_equal(r.end, PROCESS_EXITED);
        assert_non_null(strstr(r.out.p, "/run-"));
        assert_int_equal(kill((pid_t)strtol(strchr(r.out.p, '\n') + 1, NULL, 10), 0), -1);
        (void)unlink(arena_printf(a, "%s/inner", dir));
    }
    assert_int_equal(runner_stop(pid), 0);
    assert_int_equal(rmdir(group), 0); /* so those of the supervisors are gone */
    (void)runner_stop(own);
    (void)runner_setup(NULL);
}

static void its_state_can_be_asked_for(void **state) {
    struct run_state in_force;

    (void)state;
    assert_true(runner_ask_state(5000, &in_force));
    assert_int_equal(in_force.uid, geteuid());
    assert_int_equal(in_force.landlock, landlock_abi());
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(it_reads_its_own_directory_and_no_other),
        T(it_writes_nowhere),
        T(paths_of_the_manifest_are_opened),
        T(what_serves_the_administration_is_read_only_if_the_manifest_says_so),
        T(entries_of_etc_are_told_by_their_names),
        T(a_path_that_is_not_there_is_told),
        T(a_directory_that_was_replaced_is_read),
        T(it_neither_signals_nor_traces_the_daemon),
        T(a_shell_starts_programs_while_others_end),
        T(it_signals_its_own_processes),
        T(it_does_not_reach_the_runner),
        T(it_may_open_its_own_descriptors_anew),
        T(open_files_and_file_size_are_limited),
        T(memory_is_limited),
        T(what_it_has_used_is_told),
        T(a_private_directory_is_removed),
        T(a_deep_tree_is_removed_too),
        T(secrets_are_descriptors),
        T(its_state_can_be_asked_for),
        T(as_another_user_it_is_that_user),
        T(who_is_not_its_client_gets_nothing),
        T(everything_in_its_control_group_is_killed),
    };
    return cmocka_run_group_tests(tests, runner_setup, runner_teardown);
}
