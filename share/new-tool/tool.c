/* The call is a JSON object on standard input, and what is printed is the result. Compile it after
 * each change (Debian packages gcc, pkgconf and libjson-c-dev):
 *
 *     cc -O2 -Wall -o {{program}} {{name}}.c $(pkg-config --cflags --libs json-c)
 */
#include <json.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
    struct json_object *call = json_object_from_fd(STDIN_FILENO), *arguments, *who;

    if (!json_object_object_get_ex(call, "arguments", &arguments) ||
        !json_object_object_get_ex(arguments, "who", &who)) {
        /* What is printed before a failure reaches the model; standard error goes to the log. */
        puts("The argument \"who\" is missing.");
        return 1;
    }
    printf("Hello, %s!\n", json_object_get_string(who));
    json_object_put(call);
    return 0;
}
