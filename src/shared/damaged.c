#include "shared/damaged.h"

#include <limits.h>
#include <sys/stat.h>

#include "base/base.h"
#include "metrics/metrics.h"

void damaged_say(const char *dir, const char *file) {
    char path[PATH_MAX];

    (void)snprintf(path, sizeof path, "%s%s", dir, file);
    metrics_count(METRIC_DAMAGED_FILES, 0);
    log_error("file_damaged", kv("file", path),
              kv("hint", "a new one was made; the damaged one is kept beside it with "
                         "the ending " DAMAGED_SUFFIX " and may be deleted; look at the disk"));
}

void damaged_set_aside(const char *path, int fd) {
    char aside[PATH_MAX];
    int n = snprintf(aside, sizeof aside, "%s" DAMAGED_SUFFIX, path);
    struct stat ours, there;

    if (n > 0 && n < (int)sizeof aside && !fstat(fd, &ours) && !stat(path, &there) &&
        ours.st_ino == there.st_ino && ours.st_dev == there.st_dev && !rename(path, aside))
        damaged_say(path, "");
}
