/* Private part of config.h and loading.h: lists of app clients. */
#include "base/text.h"
#include "config/config.h"
#include "config/loading.h"

#define PER_MINUTE_MAX 6000 /* as for RATE_LIMIT_USER */

const char *config_app_client_next(const char **list, size_t *len) {
    const char *word = *list ? *list + strspn(*list, " ") : "";

    *len = strcspn(word, " =");
    *list = word + strcspn(word, " ");
    return *word ? word : NULL;
}

bool config_app_client(const char *list, const char *client_id, unsigned *per_minute) {
    const size_t wanted = strlen(client_id);
    size_t len;

    *per_minute = 0;
    for (const char *word; (word = config_app_client_next(&list, &len));)
        if (len && len == wanted && !memcmp(word, client_id, len)) {
            if (word[len] == '=')
                *per_minute = (unsigned)strtoul(word + len + 1, NULL, 10);
            return true;
        }
    return false;
}

/* 1 to PER_MINUTE_MAX, in digits. */
static bool is_rate(const char *text) {
    const size_t digits = strspn(text, "0123456789");
    const unsigned long n = digits && digits < 6 ? strtoul(text, NULL, 10) : 0;

    return !text[digits] && n && n <= PER_MINUTE_MAX;
}

void config_check_app_clients(struct loading *l, const char *key, const char *list) {
    unsigned count = 0;

    for (char *word; (word = list_next(l->c->arena, &list)); count++) {
        char *rate = strchr(word, '=');

        if (rate)
            *rate++ = 0;
        if (!*word || word[strcspn(word, "\t,\"':")] || (rate && !is_rate(rate))) {
            config_refuse(l, key,
                          "must be IDs of app clients, such as 1example23456789, each perhaps with "
                          "its calls a minute (1 to %d): 1example23456789=600",
                          PER_MINUTE_MAX);
            return;
        }
    }
    if (count > APP_CLIENTS_MAX)
        config_refuse(l, key, "must be at most %d app clients", APP_CLIENTS_MAX);
}
