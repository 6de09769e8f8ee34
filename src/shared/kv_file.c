#include "shared/kv_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shared/state_file.h"

#define OPEN_LOCK_MS 2000
#define OPEN_LOCK_STEP_MS 2

int kv_file_open(struct kv_file *f) {
    if (f->dir >= 0)
        return 0;
    if (mkdir(f->path, 0700) && errno != EEXIST)
        return errno;
    f->dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return f->dir < 0 ? errno : 0;
}

void kv_file_close(struct kv_file *f) {
    if (f->dir >= 0)
        (void)close(f->dir);
    f->dir = -1;
}

/* LMDB 0.9.31 destroys the locks in its file when the last user closes it; a process that opens it
 * at that moment then fails with "Invalid argument". */
bool kv_file_lock_open(const struct kv_file *f) {
    const struct timespec step = {0, OPEN_LOCK_STEP_MS * 1000000L};
    int64_t end_ms = clock_monotonic_ms() + OPEN_LOCK_MS;

    while (flock(f->dir, LOCK_EX | LOCK_NB)) {
        if (clock_monotonic_ms() >= end_ms)
            return false;
        nanosleep(&step, NULL);
    }
    return true;
}

void kv_file_unlock_open(const struct kv_file *f) {
    (void)flock(f->dir, LOCK_UN);
}

static void remember(struct kv_file *f, const struct stat *st) {
    f->dev = st->st_dev;
    f->ino = st->st_ino;
    f->size = st->st_size;
}

void kv_file_prepare(struct kv_file *f) {
    struct stat st;

    if (!fstatat(f->dir, KV_DATA, &st, 0)) {
        remember(f, &st);
        return;
    }
    if (errno != ENOENT)
        return;
    /* Processes with the old file still use its locks, so the new file needs new ones. */
    (void)unlinkat(f->dir, KV_LOCKS, 0);
    if (!fstatat(f->dir, KV_DATA DAMAGED_SUFFIX, &st, 0))
        damaged_report(f->path, "/" KV_DATA);
}

void kv_file_opened(struct kv_file *f, int fd) {
    struct stat st;

    if (!fstat(fd, &st))
        remember(f, &st);
}

enum kv_file_look kv_file_look(struct kv_file *f) {
    struct stat st;

    if (fstatat(f->dir, KV_DATA, &st, 0) || st.st_ino != f->ino || st.st_dev != f->dev)
        return KV_FILE_OTHER;
    if (st.st_size < f->size)
        return KV_FILE_CUT;
    f->size = st.st_size;
    return KV_FILE_SAME;
}

/* By fallocate, which never shortens the file. ftruncate could, if another process extends it at
 * the same time. */
void kv_file_lengthen(struct kv_file *f, int fd, off_t size) {
    if (f->size < size && !fallocate(fd, 0, f->size, size - f->size))
        f->size = size;
}

void kv_file_set_aside(const struct kv_file *f) {
    struct stat st;

    if (!fstatat(f->dir, KV_DATA, &st, 0) && st.st_ino == f->ino && st.st_dev == f->dev)
        (void)renameat(f->dir, KV_DATA, f->dir, KV_DATA DAMAGED_SUFFIX);
}

/* ---- when a damaged file makes LMDB end the process ---- */

static const int faults[] = {SIGSEGV, SIGBUS, SIGABRT};
#define FAULTS (sizeof faults / sizeof *faults)

static const struct kv_file *volatile watched;
static struct sigaction before[FAULTS];

/* Uses only calls that signal-safety(7) allows, and flock, which is a plain system call. */
static void on_fault(int signo, siginfo_t *info, void *context) {
    const struct kv_file *f = watched;

    (void)context;
    watched = NULL;
    if (f && (info->si_code > 0 || signo == SIGABRT) && !flock(f->dir, LOCK_EX | LOCK_NB))
        kv_file_set_aside(f);
    for (size_t i = 0; i < FAULTS; i++)
        if (faults[i] == signo)
            (void)sigaction(signo, &before[i], NULL);
    if (info->si_code <= 0) /* sent by a process: unlike a fault, it does not recur on return */
        (void)raise(signo);
}

void kv_file_watch(const struct kv_file *f) {
    watched = f;
}

void kv_file_expect_faults(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO}, now;

    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < FAULTS; i++)
        if (!sigaction(faults[i], NULL, &now) && now.sa_sigaction != on_fault) {
            before[i] = now;
            (void)sigaction(faults[i], &action, NULL);
        }
}
