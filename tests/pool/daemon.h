/* Starts, watches and ends a stub daemon for the pool's tests, and speaks FastCGI to it. Everything
 * waits for a condition, for at most PATIENCE_MS. */
#ifndef TESTS_DAEMON_H
#define TESTS_DAEMON_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "fcgi_wire.h"

#define PATIENCE_MS 20000
#define KIDS_MAX 64

struct daemon {
    char dir[64], conf[96], log[96], sock[96];
    char listen[96]; /* value of LISTEN; the path of sock unless set before the start */
    int fd0;         /* a listening socket to inherit as descriptor 0; -1: none */
    int fd3;         /* the same in systemd's way */
    int log_fd;      /* where it logs instead of the file; -1: to the file */
    pid_t pid;       /* 0: not running */
    /* systemd's side of sd_notify(3); "": none. */
    char notify[96]; /* path, or @ and a name */
    int watchdog_ms; /* 0: none */
};

extern const char *stub_path;

/* A folder of its own; daemon_write and daemon_start come next. */
void daemon_init(struct daemon *d);
void daemon_write(const struct daemon *d, const char *lines); /* its configuration */
void daemon_spawn(struct daemon *d);                          /* does not wait */
/* All in one, until it is ready. */
void daemon_start(struct daemon *d, const char *lines);
/* Waits for its end and returns the status of wait(2), or -1 if it does not come. */
int daemon_wait(struct daemon *d);
/* Ends what is left of it and removes its folder. */
void daemon_clean(struct daemon *d);

/* How many lines of its log have all these words (one string, cut at spaces). */
int log_count(const struct daemon *d, const char *words);
bool log_wait(const struct daemon *d, const char *words, int at_least);
void log_show(const struct daemon *d);

/* Its workers, by /proc. */
int kids(const struct daemon *d, pid_t pids[KIDS_MAX]);
pid_t kid_named(const struct daemon *d, const char *name); /* waits for it; 0: it does not come */
bool kids_wait(const struct daemon *d, int at_least, int at_most);
bool gone_wait(pid_t pid); /* a process that is no child of ours has ended */

int dial(const struct daemon *d); /* a connection, or -1 with errno */
bool unread_wait(int fd);         /* until the other end has read all that was sent */
/* One request and its reply. false: not answered in full; r is to be freed in any case. */
bool ask(const struct daemon *d, const char *uri, const char *body, size_t len,
         struct wire_reply *r);
bool asks_fine(const struct daemon *d, const char *uri); /* 200, whole */
pid_t answered_by(const struct daemon *d);               /* pid of the worker, or 0 */

/* Clients that ask all the time, each a process. */
struct load {
    _Atomic int answered, refused, failed; /* failed: connected, but not answered in full */
    _Atomic bool stop;
};
struct load *load_start(const struct daemon *d, int clients, const char *uri);
bool load_reaches(const struct load *l, int answered);
bool load_is_refused(const struct load *l, int clients);
void load_end(struct load *l); /* waits for the clients; l stays readable */
void load_free(struct load *l);

/* pool_test.c: a fresh daemon for each test, and no report of a sanitizer in its log. */
int setup(void **state);
int teardown(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

void assert_stops(struct daemon *d, int signo); /* in good order */

int run_output_tests(void); /* output_tests.c */
int run_faults_tests(void); /* faults_tests.c */
int run_reader_tests(void); /* reader_tests.c */

#endif
