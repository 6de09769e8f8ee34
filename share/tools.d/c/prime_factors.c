/* A tool in C. Build it beside its manifest (Debian packages gcc, pkgconf and libjson-c-dev):
 *
 *     cc -O2 -Wall -o prime_factors prime_factors.c $(pkg-config --cflags --libs json-c)
 */
#include <inttypes.h>
#include <json.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
    struct json_object *call = json_object_from_fd(STDIN_FILENO), *arguments, *number;
    const char *between = "";

    if (!json_object_object_get_ex(call, "arguments", &arguments) ||
        !json_object_object_get_ex(arguments, "number", &number)) {
        /* What is printed before a failure reaches the model. */
        puts("The argument \"number\" is missing.");
        return 2;
    }
    printf("{\"factors\": [");
    for (int64_t rest = json_object_get_int64(number), factor = 2; rest > 1; factor++) {
        if (factor * factor > rest)
            factor = rest; /* what is left is a prime */
        for (; rest % factor == 0; rest /= factor) {
            printf("%s%" PRId64, between, factor);
            between = ", ";
        }
    }
    puts("]}");
    json_object_put(call);
    return 0;
}
