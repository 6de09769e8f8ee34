/* What a FastCGI program costs at least: reads each request, answers it with the bytes of a file,
 * and logs the line of another one to stderr. A preforked pool of the given number of processes, as
 * libfcgi's own examples do it. The yardstick of `make bench`. fixed SOCKET PROCESSES REPLY LINE */
#include <fcgiapp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct text {
    char bytes[4096];
    size_t n;
};

static void read_text(const char *path, struct text *t) {
    FILE *f = fopen(path, "r");

    if (!f || (t->n = fread(t->bytes, 1, sizeof t->bytes, f)) == 0 || !feof(f)) {
        fprintf(stderr, "fixed: %s must have 1 to %zu bytes\n", path, sizeof t->bytes - 1);
        exit(2);
    }
    fclose(f);
}

static _Noreturn void serve(int listener, const struct text *reply, const struct text *line) {
    FCGX_Request rq;

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (FCGX_Init() || FCGX_InitRequest(&rq, listener, 0))
        _exit(1);
    while (FCGX_Accept_r(&rq) == 0) {
        char drop[4096];

        while (FCGX_GetStr(drop, sizeof drop, rq.in) > 0)
            ;
        FCGX_PutStr(reply->bytes, (int)reply->n, rq.out);
        FCGX_Finish_r(&rq);
        if (write(STDERR_FILENO, line->bytes, line->n) != (ssize_t)line->n)
            _exit(1);
    }
    _exit(0);
}

int main(int argc, char **argv) {
    static struct text reply, line;
    int listener, processes = argc == 5 ? (int)strtol(argv[2], NULL, 10) : 0;

    if (processes < 1) {
        fputs("usage: fixed SOCKET PROCESSES REPLY LINE\n", stderr);
        return 2;
    }
    read_text(argv[3], &reply);
    read_text(argv[4], &line);
    listener = FCGX_OpenSocket(argv[1], 511);
    for (int i = 0; i < processes; i++)
        if (fork() == 0)
            serve(listener, &reply, &line);
    while (wait(NULL) > 0)
        ;
    return 0;
}
