/* Private part of supervisor.h: what a program uses. */
#include "runner/supervisor.h"

#include <inttypes.h>
#include <unistd.h>

#define DEPTH_MAX 8        /* such as of a shell that starts npx, which starts node */
#define PROCESSES_MAX 256u /* that are counted */

struct count {
    int64_t pages;
    unsigned processes;
};

static FILE *open_of(pid_t pid, const char *name) {
    char path[128];

    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    return fopen(path, "re");
}

static void add_tree(struct count *c, pid_t pid, unsigned depth) {
    char children[64];
    int64_t size, resident; /* of "statm", in pages */
    FILE *f;
    int child;

    if (c->processes++ >= PROCESSES_MAX)
        return;
    f = open_of(pid, "statm");
    if (f && fscanf(f, "%" SCNd64 " %" SCNd64, &size, &resident) == 2)
        c->pages += resident;
    if (f)
        (void)fclose(f);
    (void)snprintf(children, sizeof children, "task/%d/children", (int)pid);
    f = depth < DEPTH_MAX ? open_of(pid, children) : NULL;
    while (f && fscanf(f, "%d", &child) == 1)
        add_tree(c, (pid_t)child, depth + 1);
    if (f)
        (void)fclose(f);
}

int64_t memory_of_tree(pid_t pid) {
    struct count c = {0};

    add_tree(&c, pid, 0);
    return c.pages * sysconf(_SC_PAGESIZE);
}
