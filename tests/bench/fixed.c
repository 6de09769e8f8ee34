/* What a FastCGI program costs at least: answers every request with a fixed body. A preforked
 * pool of the given number of processes, as libfcgi's own examples do it. The yardstick of
 * `make bench`.
 *   fixed SOCKET PROCESSES */
#include <fcgiapp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void serve(int listener) {
    static const char body[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":"
                               "[{\"type\":\"text\",\"text\":\"hello\"}]}}";
    FCGX_Request rq;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (FCGX_Init() || FCGX_InitRequest(&rq, listener, 0))
        _exit(1);
    while (FCGX_Accept_r(&rq) == 0) {
        char drop[4096];

        while (FCGX_GetStr(drop, sizeof drop, rq.in) > 0)
            ;
        FCGX_FPrintF(rq.out, "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                     (int)sizeof body - 1, body);
        FCGX_Finish_r(&rq);
    }
    _exit(0);
}

int main(int argc, char **argv) {
    int listener, processes = argc == 3 ? (int)strtol(argv[2], NULL, 10) : 0;

    if (processes < 1) {
        fputs("usage: fixed SOCKET PROCESSES\n", stderr);
        return 2;
    }
    listener = FCGX_OpenSocket(argv[1], 511);
    for (int i = 0; i < processes; i++)
        if (fork() == 0)
            serve(listener);
    while (wait(NULL) > 0)
        ;
    return 0;
}
