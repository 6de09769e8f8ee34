#include "runner/request.h"

enum { ARGV, ENVP, READ, WRITE, LISTS };

#define MEMORY_MAX ((int64_t)1 << 50) /* bytes: more is a mistake */
#define COUNT_MAX 1000000             /* of processes, and of open files */
#define CPU_WEIGHT_MAX 10000          /* cgroups(7): cpu.weight */

/* Behind it: `dir` and then the strings of the lists, each with its NUL. */
struct header {
    uint32_t version, kind;
    uint32_t counts[LISTS];
    uint32_t secrets, home, instance_metadata;
    uint32_t unused; /* 0; so that no byte of the message is undefined */
    struct run_limits limits;
};

static const unsigned count_max[LISTS] = {RUN_ARGS_MAX, RUN_ENV_MAX, RUN_PATHS_MAX, RUN_PATHS_MAX};

const char *run_step_text(enum run_step step) {
    static const char *const texts[] = {
        [RUN_STEP_REQUEST] = "the request to the runner is not valid",
        [RUN_STEP_FORK] = "no process",
        [RUN_STEP_CGROUP] = "no control group",
        [RUN_STEP_HOME] = "no private directory",
        [RUN_STEP_PATHS] = "a path that it may read or write cannot be opened",
        [RUN_STEP_DESCRIPTORS] = "its descriptors",
        [RUN_STEP_LIMITS] = "its limits",
        [RUN_STEP_SYSTEM_CALLS] = "the filter of its system calls",
        [RUN_STEP_DIRECTORY] = "its directory",
        [RUN_STEP_EXEC] = "execve",
    };

    return step < sizeof texts / sizeof *texts ? texts[step] : "unknown";
}

/* ---- writing ---- */

struct writer {
    char *out;
    size_t len; /* RUN_REQUEST_MAX + 1: it did not fit */
};

static void put(struct writer *w, const char *s) {
    size_t n = strlen(s) + 1;

    if (w->len > RUN_REQUEST_MAX || n > RUN_REQUEST_MAX - w->len) {
        w->len = RUN_REQUEST_MAX + 1;
        return;
    }
    memcpy(w->out + w->len, s, n);
    w->len += n;
}

size_t run_request_encode(const struct run_request *r, char out[RUN_REQUEST_MAX]) {
    const char *const *lists[LISTS] = {r->argv, r->envp, r->read, r->write};
    struct header h = {.version = RUN_VERSION,
                       .kind = RUN_PROGRAM,
                       .secrets = r->secrets,
                       .home = r->home,
                       .instance_metadata = r->instance_metadata,
                       .limits = r->limits};
    struct writer w = {out, sizeof h};

    put(&w, r->dir);
    for (int i = 0; i < LISTS; i++) {
        while (lists[i] && lists[i][h.counts[i]])
            put(&w, lists[i][h.counts[i]++]);
        if (h.counts[i] > count_max[i])
            return 0;
    }
    memcpy(out, &h, sizeof h);
    return w.len > RUN_REQUEST_MAX || r->secrets > RUN_SECRETS_MAX ? 0 : w.len;
}

/* ---- reading ---- */

struct reader {
    const char *at, *end; /* the byte before `end` is a NUL */
};

/* NULL: there is no string left. */
static const char *take(struct reader *r) {
    const char *s = r->at;

    if (s >= r->end)
        return NULL;
    r->at += strlen(s) + 1;
    return s;
}

static bool is_absolute(const char *path) {
    return path && *path == '/';
}

/* The name of a variable is not empty. */
static bool is_variable(const char *s) {
    return s && *s != '=' && strchr(s, '=');
}

/* Each string has to be as `is_good` says; NULL: any string is. */
static bool take_list(struct reader *r, uint32_t count, const char **list,
                      bool (*is_good)(const char *)) {
    for (uint32_t i = 0; i < count; i++) {
        list[i] = take(r);
        if (!list[i] || (is_good && !is_good(list[i])))
            return false;
    }
    list[count] = NULL;
    return true;
}

static bool are_in_range(const struct run_limits *l) {
    return l->memory >= 0 && l->memory <= MEMORY_MAX && l->file_size >= 0 &&
           l->file_size <= MEMORY_MAX && l->processes <= COUNT_MAX && l->open_files <= COUNT_MAX &&
           l->cpu_weight <= CPU_WEIGHT_MAX;
}

static bool is_header(const struct header *h) {
    for (int i = 0; i < LISTS; i++)
        if (h->counts[i] > count_max[i])
            return false;
    return h->version == RUN_VERSION && h->kind == RUN_PROGRAM && h->counts[ARGV] &&
           h->secrets <= RUN_SECRETS_MAX && h->home <= 1 && h->instance_metadata <= 1 &&
           are_in_range(&h->limits);
}

enum run_kind run_request_decode(const char *message, size_t len, struct run_strings *strings,
                                 struct run_request *out) {
    struct reader r = {message + sizeof(struct header), message + len};
    struct run_question question;
    struct header h;

    if (len == sizeof question) {
        memcpy(&question, message, sizeof question);
        return question.version == RUN_VERSION &&
                       (question.kind == RUN_STATE || question.kind == RUN_INSTANCES)
                   ? question.kind
                   : 0;
    }
    if (len <= sizeof h || len > RUN_REQUEST_MAX || message[len - 1])
        return 0;
    memcpy(&h, message, sizeof h);
    if (!is_header(&h))
        return 0;
    *out = (struct run_request){.argv = strings->argv,
                                .envp = strings->envp,
                                .read = strings->read,
                                .write = strings->write,
                                .dir = take(&r),
                                .limits = h.limits,
                                .home = h.home,
                                .instance_metadata = h.instance_metadata,
                                .secrets = h.secrets};
    return is_absolute(out->dir) && take_list(&r, h.counts[ARGV], strings->argv, NULL) &&
                   is_absolute(out->argv[0]) &&
                   take_list(&r, h.counts[ENVP], strings->envp, is_variable) &&
                   take_list(&r, h.counts[READ], strings->read, is_absolute) &&
                   take_list(&r, h.counts[WRITE], strings->write, is_absolute) && r.at == r.end
               ? RUN_PROGRAM
               : 0;
}
