/* What a login costs at least, with the libraries that mcp-authd uses: a preforked FastCGI program
 * that only answers, waits for the disk and asks a server. It does for each letter of a request's
 * query: `s` stores, `a` asks the URL on a kept connection, anything else nothing. The yardstick of
 * `make bench-login`. fixed_login SOCKET PROCESSES FOLDER URL */
#include <curl/curl.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE_BYTES 4096
#define RECORD_PAGES 3 /* that LMDB writes for a session */
#define RECORDS 64     /* after which it writes the first again: the file does not grow */
#define BODY_BYTES 1000

static const char reply[] = "Status: 200 OK\r\nContent-Type: text/html\r\n\r\n<!doctype html>\n";
static const char line[] = "{\"audit\":\"authorize\",\"ts\":\"2026-01-01T00:00:00.000Z\"}\n";

/* One process. */
struct server {
    int fd; /* of its file */
    unsigned stored;
    CURL *curl;
};

static size_t drop(char *data, size_t size, size_t count, void *arg) {
    (void)data, (void)arg;
    return size * count;
}

static CURL *prepare_request(const char *url) {
    static const char *const fields[] = {
        "Expect:", "Content-Type: application/x-amz-json-1.0", "X-Amz-Date: 20260101T000000Z",
        "X-Amz-Target: DynamoDB_20120810.PutItem",
        "Authorization: AWS4-HMAC-SHA256 Credential=ID/20260101/eu-west-1/dynamodb/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=0123456789abcdef"};
    static char body[BODY_BYTES];
    struct curl_slist *list = NULL;
    CURL *h = curl_easy_init();

    memset(body, 'x', sizeof body);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        list = curl_slist_append(list, fields[i]);
    curl_easy_setopt(h, CURLOPT_URL, url);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(h, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE, (long)sizeof body);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 0L); /* its handshakes are not measured */
    return h;
}

static void store(struct server *s) {
    static const char pages[RECORD_PAGES * PAGE_BYTES];
    off_t at = (off_t)(s->stored++ % RECORDS * sizeof pages);

    if (pwrite(s->fd, pages, sizeof pages, at) != (ssize_t)sizeof pages || fdatasync(s->fd))
        _exit(1);
}

static void ask(const struct server *s) {
    long status = 0;

    if (curl_easy_perform(s->curl) || curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status) ||
        status != 200)
        _exit(1);
}

static void answer(struct server *s, FCGX_Request *rq) {
    const char *query = FCGX_GetParam("QUERY_STRING", rq->envp);
    char body[PAGE_BYTES];

    while (FCGX_GetStr(body, sizeof body, rq->in) > 0)
        ;
    for (const char *p = query; *p; p++) {
        if (*p == 's')
            store(s);
        if (*p == 'a')
            ask(s);
    }
    FCGX_PutStr(reply, sizeof reply - 1, rq->out);
    FCGX_Finish_r(rq);
    if (write(STDERR_FILENO, line, sizeof line - 1) != (ssize_t)sizeof line - 1)
        _exit(1);
}

static _Noreturn void serve(int listener, char **argv, int number) {
    struct server s = {.curl = prepare_request(argv[4])};
    char path[PAGE_BYTES];
    FCGX_Request rq;

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    snprintf(path, sizeof path, "%s/stored-%d", argv[3], number);
    s.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    for (int i = 0; i < RECORDS; i++)
        store(&s);
    if (FCGX_Init() || FCGX_InitRequest(&rq, listener, 0))
        _exit(1);
    while (FCGX_Accept_r(&rq) == 0)
        answer(&s, &rq);
    _exit(0);
}

int main(int argc, char **argv) {
    int listener, processes = argc == 5 ? (int)strtol(argv[2], NULL, 10) : 0;

    if (processes < 1 || curl_global_init(CURL_GLOBAL_DEFAULT)) {
        fputs("usage: fixed_login SOCKET PROCESSES FOLDER URL\n", stderr);
        return 2;
    }
    listener = FCGX_OpenSocket(argv[1], 511);
    for (int i = 0; i < processes; i++)
        if (fork() == 0)
            serve(listener, argv, i);
    while (wait(NULL) > 0)
        ;
    return 0;
}
