/* Without libFuzzer, a fuzz target replays files: each argument is a file, or a directory of them.
 * Built with -DFUZZ_LIBFUZZER there is no main here, because libFuzzer has one. */
#ifndef FUZZ_STANDALONE_H
#define FUZZ_STANDALONE_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifndef FUZZ_LIBFUZZER
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUZZ_INPUT_MAX ((size_t)2 << 20)

static int replay_file(const char *path) {
    FILE *f = fopen(path, "rb");
    uint8_t *whole = malloc(FUZZ_INPUT_MAX);

    if (!f || !whole) {
        perror(path);
        exit(1);
    }
    size_t len = fread(whole, 1, FUZZ_INPUT_MAX, f);
    fclose(f);
    uint8_t *exact = malloc(len ? len : 1); /* so that a sanitizer sees its end */
    if (!exact)
        exit(1);
    memcpy(exact, whole, len);
    free(whole);
    (void)LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    return 1;
}

static int replay(const char *path) {
    struct dirent *entry;
    DIR *dir = opendir(path);
    char name[4096];
    int count = 0;

    if (!dir)
        return replay_file(path);
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.' &&
            snprintf(name, sizeof name, "%s/%s", path, entry->d_name) < (int)sizeof name)
            count += replay_file(name);
    closedir(dir);
    return count;
}

int main(int argc, char **argv) {
    int count = 0;

    for (int i = 1; i < argc; i++)
        count += replay(argv[i]);
    printf("%d inputs replayed\n", count);
    return count ? 0 : 1;
}
#endif

#endif
