/* The variables that AWS's SDKs read. */
#include <string.h>

#include "aws/aws.h"

const char *aws_env_get(const struct aws_env *env, const char *name) {
    size_t len = strlen(name);

    for (const char *const *v = env->vars; v && *v; v++)
        if (!strncmp(*v, name, len) && (*v)[len] == '=')
            return (*v)[len + 1] ? *v + len + 1 : NULL;
    return NULL;
}
