#include "runner/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define OWN_GROUP "/proc/self/cgroup"
#define RUNNERS_GROUP "runner"
#define NAME_FORMAT "run-%u"
#define OOM_KILLS "\noom_kill "
#define CGROUP2_MAGIC 0x63677270 /* statfs(2) */
#define PAUSE_MS 2
#define LEFT_MS 1000 /* for what a runner has left behind that was killed */
#define CPU_WEIGHT_DEFAULT 100

static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified", NULL};

/* ---- small files ---- */

static bool write_at(int dir, const char *name, const char *text) {
    int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    descriptor_close(fd);
    return ok;
}

static bool write_number(int dir, const char *name, int64_t n) {
    char text[24];

    (void)snprintf(text, sizeof text, "%lld", (long long)n);
    return write_at(dir, name, text);
}

static int open_folder(int dir, const char *path) {
    return openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* ---- the tree ---- */

/* The line of version 2 is `0::PATH`. */
static bool read_own_path(char path[PATH_MAX]) {
    FILE *f = fopen(OWN_GROUP, "re");
    char line[PATH_MAX];
    bool found = false;

    while (f && !found && fgets(line, sizeof line, f)) {
        found = !strncmp(line, "0::/", 4);
        line[strcspn(line, "\n")] = 0;
        if (found)
            memcpy(path, line + 3, strlen(line + 3) + 1);
    }
    if (f)
        (void)fclose(f);
    return found;
}

/* Whoever delegates a group gives its directory to the user ("Delegation Containment" of
 * cgroups(7)). What belongs to root is not ours: it is the system's root group, or a unit's that
 * somebody else manages. */
static bool is_ours(int fd) {
    struct statfs fs;
    struct stat st;

    return !fstatfs(fd, &fs) && fs.f_type == CGROUP2_MAGIC && !fstat(fd, &st) && st.st_uid &&
           st.st_uid == geteuid() && !faccessat(fd, "cgroup.subtree_control", W_OK, AT_EACCESS) &&
           !faccessat(fd, "cgroup.kill", F_OK, 0);
}

static int open_own(void) {
    char own[PATH_MAX], path[PATH_MAX];
    int fd = -1;

    if (!read_own_path(own))
        return -1;
    for (unsigned i = 0; mounts[i] && fd < 0; i++) {
        int n = snprintf(path, sizeof path, "%s%s", mounts[i], own);

        fd = n < (int)sizeof path ? open_folder(AT_FDCWD, path) : -1;
        if (fd >= 0 && !is_ours(fd))
            descriptor_clear(&fd);
    }
    return fd;
}

static void remove_left_behind(const struct cgroup_tree *t) {
    int fd = open_folder(t->dir, ".");
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    unsigned number;

    while (dir && (entry = readdir(dir)))
        if (sscanf(entry->d_name, NAME_FORMAT, &number) == 1)
            cgroup_remove(t, number);
    if (dir)
        (void)closedir(dir);
}

void cgroup_tree_open(struct cgroup_tree *t, const char *root) {
    *t = (struct cgroup_tree){.dir = root ? open_folder(AT_FDCWD, root) : open_own()};
    if (t->dir < 0)
        return;
    /* "No internal processes": a group with controllers for its children has none itself. */
    if (!root && ((mkdirat(t->dir, RUNNERS_GROUP, 0755) && errno != EEXIST) ||
                  !write_at(t->dir, RUNNERS_GROUP "/cgroup.procs", "0"))) {
        descriptor_clear(&t->dir);
        return;
    }
    remove_left_behind(t);
    t->memory = write_at(t->dir, "cgroup.subtree_control", "+memory");
    t->pids = write_at(t->dir, "cgroup.subtree_control", "+pids");
    t->cpu = write_at(t->dir, "cgroup.subtree_control", "+cpu");
}

/* ---- a supervisor's group ---- */

bool cgroup_open(const struct cgroup_tree *t, unsigned number, struct cgroup *g) {
    *g = (struct cgroup){.dir = -1, .events = -1, .kill = -1};
    (void)snprintf(g->name, sizeof g->name, NAME_FORMAT, number);
    if (mkdirat(t->dir, g->name, 0755) && errno != EEXIST)
        return false;
    g->dir = open_folder(t->dir, g->name);
    g->events = openat(g->dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
    g->kill = openat(g->dir, "cgroup.kill", O_WRONLY | O_CLOEXEC);
    return g->dir >= 0 && g->events >= 0 && g->kill >= 0;
}

static bool limit_memory(const struct cgroup *g, int64_t bytes) {
    /* All of the run is killed, not one process of it. Without swap, which would only slow down
     * what does not fit. */
    (void)write_at(g->dir, "memory.oom.group", "1");
    (void)write_at(g->dir, "memory.swap.max", bytes ? "0" : "max");
    return bytes ? write_number(g->dir, "memory.max", bytes)
                 : write_at(g->dir, "memory.max", "max");
}

bool cgroup_limit(const struct cgroup_tree *t, struct cgroup *g, const struct run_limits *limits) {
    if (g->limited && !memcmp(&g->now, limits, sizeof *limits))
        return true;
    g->now = *limits;
    g->limited =
        (!t->memory || limit_memory(g, limits->memory)) &&
        (!t->pids || write_number(g->dir, "pids.max",
                                  limits->processes ? limits->processes : RUN_PROCESSES_DEFAULT)) &&
        (!t->cpu || write_number(g->dir, "cpu.weight",
                                 limits->cpu_weight ? limits->cpu_weight : CPU_WEIGHT_DEFAULT));
    return g->limited;
}

/* `pass`: seccomp.h.
 *
 * With the memory of the parent its stack is shared, too: no function may return in the child, and
 * so on x86-64 not the one that makes the system call, whose return address is on the stack. On
 * other machines, and where a sanitizer keeps an account of the stack, the child has a copy. */
#if defined(__x86_64__) && !defined(WITH_SANITIZERS)
#define SHARES_MEMORY CLONE_VM

static inline __attribute__((always_inline)) long clone3(const struct clone_args *how,
                                                         uint64_t pass) {
    register uint64_t sixth __asm__("r9") = pass;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"((long)SYS_clone3), "D"(how), "S"(sizeof *how), "r"(sixth)
                     : "rcx", "r11", "memory");
    errno = result < 0 ? (int)-result : errno;
    return result < 0 ? -1 : result;
}
#else
#define SHARES_MEMORY 0

static long clone3(const struct clone_args *how, uint64_t pass) {
    return syscall(SYS_clone3, how, sizeof *how, 0, 0, 0, pass);
}
#endif

__attribute__((noinline)) pid_t cgroup_vfork(const struct cgroup *g, uint64_t pass,
                                             void (*child)(void *arg), void *arg) {
    const struct clone_args how = {.flags = CLONE_INTO_CGROUP | CLONE_VFORK | SHARES_MEMORY,
                                   .exit_signal = SIGCHLD,
                                   .cgroup = (unsigned)g->dir};
    long pid = clone3(&how, pass);

    if (pid == 0) {
        child(arg);
        _exit(127);
    }
    return (pid_t)pid;
}

/* Of the file memory.events, whatever limit was reached: the group's own, or one above it. */
bool cgroup_ran_out_of_memory(struct cgroup *g) {
    char text[256];
    int fd = g->dir >= 0 ? openat(g->dir, "memory.events", O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    const char *count;
    int64_t before = g->oom_kills;

    descriptor_close(fd);
    text[n > 0 ? n : 0] = 0;
    count = strstr(text, OOM_KILLS);
    if (count)
        g->oom_kills = strtoll(count + sizeof OOM_KILLS - 1, NULL, 10);
    return g->oom_kills > before;
}

/* cgroups(7): "populated 0": no process in it or below it. */
static bool is_empty(const struct cgroup *g) {
    char text[64];
    ssize_t n = pread(g->events, text, sizeof text - 1, 0);

    text[n > 0 ? n : 0] = 0;
    return strstr(text, "populated 0") != NULL;
}

static void close_group(struct cgroup *g) {
    descriptor_clear(&g->events);
    descriptor_clear(&g->kill);
    descriptor_clear(&g->dir);
}

bool cgroup_end(const struct cgroup_tree *t, struct cgroup *g, int wait_ms) {
    int64_t until = clock_monotonic_ms() + wait_ms;

    if (g->dir < 0 || is_empty(g))
        return true;
    if (write(g->kill, "1", 1) != 1)
        return false;
    while (!is_empty(g) && clock_monotonic_ms() < until)
        clock_sleep_ms(PAUSE_MS);
    if (!is_empty(g))
        return false;
    close_group(g);
    return !unlinkat(t->dir, g->name, AT_REMOVEDIR);
}

void cgroup_remove(const struct cgroup_tree *t, unsigned number) {
    char name[sizeof(((struct cgroup *)NULL)->name)];
    struct cgroup g;

    (void)snprintf(name, sizeof name, NAME_FORMAT, number);
    if (t->dir < 0 || faccessat(t->dir, name, F_OK, 0))
        return;
    if (cgroup_open(t, number, &g))
        (void)cgroup_end(t, &g, LEFT_MS);
    close_group(&g);
    (void)unlinkat(t->dir, name, AT_REMOVEDIR);
}
