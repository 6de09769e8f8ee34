#include "daemon.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

const char *stub_path;

static const char needed[] = "MCP_SERVER_URI=https://mcp.example.com/mcp\n"
                             "COGNITO_REGION=eu-west-1\n"
                             "COGNITO_USER_POOL_ID=eu-west-1_AbCdEfGhI\n"
                             "COGNITO_CLIENT_ID=client\n"
                             "COGNITO_DOMAIN=example\n";

static void pause_briefly(void) {
    usleep(5000);
}

void daemon_init(struct daemon *d) {
    memset(d, 0, sizeof *d);
    (void)snprintf(d->dir, sizeof d->dir, "/tmp/pool-test.XXXXXX");
    if (!mkdtemp(d->dir))
        abort();
    (void)snprintf(d->conf, sizeof d->conf, "%s/conf", d->dir);
    (void)snprintf(d->log, sizeof d->log, "%s/log", d->dir);
    (void)snprintf(d->sock, sizeof d->sock, "%s/sock", d->dir);
    (void)snprintf(d->listen, sizeof d->listen, "%s", d->sock);
    d->fd0 = d->fd3 = d->log_fd = -1;
}

void daemon_write(const struct daemon *d, const char *lines) {
    FILE *f = fopen(d->conf, "w");

    if (!f)
        abort();
    (void)fprintf(f, "%sLISTEN=%s\n", needed, d->listen);
    if (!strstr(lines, "STATE_DIR="))
        (void)fprintf(f, "STATE_DIR=%s\n", d->dir);
    (void)fputs(lines, f);
    (void)fclose(f);
}

static _Noreturn void exec_stub(const struct daemon *d, pid_t parent) {
    int log = open(d->log, O_WRONLY | O_CREAT | O_APPEND, 0600), null = open("/dev/null", O_RDWR);
    char pid[24], usec[24];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    signal(SIGPIPE, SIG_DFL); /* which the test ignores */
    (void)clearenv();
    setenv("ASAN_OPTIONS", "abort_on_error=0", 1);
    dup2(d->fd0 >= 0 ? d->fd0 : null, 0);
    dup2(null, 1);
    dup2(d->log_fd >= 0 ? d->log_fd : log, 2);
    if (d->fd3 >= 0) {
        (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
        dup2(d->fd3, 3);
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDS", "1", 1);
    }
    if (*d->notify)
        setenv("NOTIFY_SOCKET", d->notify, 1);
    if (d->watchdog_ms) {
        (void)snprintf(usec, sizeof usec, "%d000", d->watchdog_ms);
        setenv("WATCHDOG_USEC", usec, 1);
    }
    for (int fd = d->fd3 >= 0 ? 4 : 3; fd < 64; fd++)
        close(fd);
    (void)execl(stub_path, stub_path, d->conf, (char *)NULL);
    _exit(127);
}

void daemon_spawn(struct daemon *d) {
    pid_t parent = getpid();

    d->pid = fork();
    if (d->pid < 0)
        abort();
    if (d->pid == 0)
        exec_stub(d, parent);
}

void daemon_start(struct daemon *d, const char *lines) {
    daemon_write(d, lines);
    daemon_spawn(d);
    if (!log_wait(d, "event=ready", 1)) {
        log_show(d);
        abort();
    }
}

int daemon_wait(struct daemon *d) {
    int64_t until = wire_now_ms() + PATIENCE_MS;
    int status;

    while (wire_now_ms() < until) {
        if (waitpid(d->pid, &status, WNOHANG) == d->pid) {
            d->pid = 0;
            return status;
        }
        pause_briefly();
    }
    return -1;
}

void daemon_clean(struct daemon *d) {
    if (d->pid > 0) {
        pid_t pids[KIDS_MAX];
        int n = kids(d, pids);

        kill(d->pid, SIGKILL);
        for (int i = 0; i < n; i++)
            kill(pids[i], SIGKILL);
        waitpid(d->pid, NULL, 0);
    }
    if (d->fd0 >= 0)
        close(d->fd0);
    if (d->fd3 >= 0)
        close(d->fd3);
    unlink(d->conf);
    unlink(d->log);
    unlink(d->sock);
    rmdir(d->dir);
}

static bool has_words(const char *line, const char *words) {
    char copy[256], *rest = copy, *word;

    (void)snprintf(copy, sizeof copy, "%s", words);
    while ((word = strsep(&rest, " ")))
        if (!strstr(line, word))
            return false;
    return true;
}

int log_count(const struct daemon *d, const char *words) {
    FILE *f = fopen(d->log, "r");
    char line[4096];
    int n = 0;

    while (f && fgets(line, sizeof line, f))
        n += has_words(line, words);
    if (f)
        (void)fclose(f);
    return n;
}

bool log_wait(const struct daemon *d, const char *words, int at_least) {
    int64_t until = wire_now_ms() + PATIENCE_MS;

    while (log_count(d, words) < at_least) {
        if (wire_now_ms() > until)
            return false;
        pause_briefly();
    }
    return true;
}

void log_show(const struct daemon *d) {
    FILE *f = fopen(d->log, "r");
    char line[4096];

    while (f && fgets(line, sizeof line, f))
        (void)fprintf(stderr, "log: %s", line);
    if (f)
        (void)fclose(f);
}

/* State and parent of a process, from /proc/PID/stat. */
/* name: as the process calls itself, in brackets. */
static bool stat_of(pid_t pid, char *state, pid_t *parent, char name[24]) {
    char path[64], text[512], *end;
    FILE *f;
    size_t n;
    int ppid;

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = fopen(path, "r");
    if (!f)
        return false;
    n = fread(text, 1, sizeof text - 1, f);
    (void)fclose(f);
    text[n] = 0;
    end = strrchr(text, ')');
    if (!end || sscanf(end + 1, " %c %d", state, &ppid) != 2)
        return false;
    *parent = ppid;
    *end = 0;
    (void)snprintf(name, 24, "%s", strchr(text, '(') ? strchr(text, '(') + 1 : "");
    return true;
}

static int named(const struct daemon *d, const char *wanted, pid_t pids[KIDS_MAX]) {
    DIR *proc = opendir("/proc");
    struct dirent *e;
    int n = 0;

    while (proc && n < KIDS_MAX && (e = readdir(proc))) {
        pid_t pid = (pid_t)atoi(e->d_name), parent;
        char state, name[24];

        if (pid > 0 && stat_of(pid, &state, &parent, name) && parent == d->pid &&
            !strcmp(name, wanted) && state != 'Z')
            pids[n++] = pid;
    }
    if (proc)
        (void)closedir(proc);
    return n;
}

int kids(const struct daemon *d, pid_t pids[KIDS_MAX]) {
    return named(d, "mcp-worker", pids);
}

pid_t kid_named(const struct daemon *d, const char *name) {
    int64_t until = wire_now_ms() + PATIENCE_MS;
    pid_t pids[KIDS_MAX];

    while (named(d, name, pids) != 1) {
        if (wire_now_ms() > until)
            return 0;
        pause_briefly();
    }
    return pids[0];
}

bool kids_wait(const struct daemon *d, int at_least, int at_most) {
    int64_t until = wire_now_ms() + PATIENCE_MS;
    pid_t pids[KIDS_MAX];

    for (;;) {
        int n = kids(d, pids);

        if (n >= at_least && n <= at_most)
            return true;
        if (wire_now_ms() > until)
            return false;
        pause_briefly();
    }
}

bool gone_wait(pid_t pid) {
    int64_t until = wire_now_ms() + PATIENCE_MS;
    pid_t parent;
    char state, name[24];

    while (stat_of(pid, &state, &parent, name) && state != 'Z') {
        if (wire_now_ms() > until)
            return false;
        pause_briefly();
    }
    return true;
}

static int dial_unix(const char *path) {
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0) {
        int why = errno;

        close(fd);
        errno = why;
        fd = -1;
    }
    return fd;
}

static int dial_loopback(const char *address) {
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    sa.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

int dial(const struct daemon *d) {
    return d->listen[0] == '/' ? dial_unix(d->listen) : dial_loopback(d->listen);
}

bool unread_wait(int fd) {
    int64_t until = wire_now_ms() + PATIENCE_MS;
    int left;

    while (ioctl(fd, SIOCOUTQ, &left) == 0 && left > 0) {
        if (wire_now_ms() > until)
            return false;
        pause_briefly();
    }
    return true;
}

static bool ask_on(int fd, const char *uri, const char *body, size_t len, struct wire_reply *r) {
    struct wire w = {0};
    bool sent;

    wire_request(&w, "POST", uri, body, len);
    sent = wire_send(fd, w.p, w.len);
    wire_free(&w);
    wire_read(fd, r, PATIENCE_MS);
    return sent && wire_whole(r);
}

bool ask(const struct daemon *d, const char *uri, const char *body, size_t len,
         struct wire_reply *r) {
    int fd = dial(d);
    bool good;

    memset(r, 0, sizeof *r);
    if (fd < 0)
        return false;
    good = ask_on(fd, uri, body, len, r);
    close(fd);
    return good;
}

bool asks_fine(const struct daemon *d, const char *uri) {
    struct wire_reply r;
    bool good = ask(d, uri, "abc", 3, &r) && r.status == 200;

    wire_reply_free(&r);
    return good;
}

pid_t answered_by(const struct daemon *d) {
    struct wire_reply r;
    const char *at;
    pid_t pid = 0;

    if (ask(d, "/echo", "", 0, &r) && (at = strstr((char *)r.out.p, "X-Pid: ")))
        pid = (pid_t)atoi(at + 7);
    wire_reply_free(&r);
    return pid;
}

static _Noreturn void client(const struct daemon *d, struct load *l, const char *uri) {
    while (!l->stop) {
        struct wire_reply r;
        int fd = dial(d);

        if (fd < 0) {
            l->refused++;
            _exit(0);
        }
        if (ask_on(fd, uri, "0123456789", 10, &r) && r.status == 200 && r.body_len == 10)
            l->answered++;
        else
            l->failed++;
        wire_reply_free(&r);
        close(fd);
    }
    _exit(0);
}

struct load_clients {
    struct load load; /* shared with the clients */
    int count;
    pid_t pids[KIDS_MAX];
};

struct load *load_start(const struct daemon *d, int clients, const char *uri) {
    struct load_clients *c =
        mmap(NULL, sizeof *c, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t parent = getpid();

    if (c == MAP_FAILED)
        abort();
    for (c->count = 0; c->count < clients; c->count++) {
        c->pids[c->count] = fork();
        if (c->pids[c->count] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() == parent)
                client(d, &c->load, uri);
            _exit(1);
        }
    }
    return &c->load;
}

static bool counter_reaches(const _Atomic int *counter, int n) {
    int64_t until = wire_now_ms() + PATIENCE_MS;

    while (*counter < n) {
        if (wire_now_ms() > until)
            return false;
        pause_briefly();
    }
    return true;
}

bool load_reaches(const struct load *l, int answered) {
    return counter_reaches(&l->answered, answered);
}

bool load_is_refused(const struct load *l, int clients) {
    return counter_reaches(&l->refused, clients);
}

void load_end(struct load *l) {
    struct load_clients *c = (struct load_clients *)l;

    l->stop = true;
    for (int i = 0; i < c->count; i++)
        waitpid(c->pids[i], NULL, 0);
    c->count = 0;
}

void load_free(struct load *l) {
    load_end(l);
    munmap(l, sizeof(struct load_clients));
}
