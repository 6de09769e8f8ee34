#include "web/subscription.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void subscription_add(struct buf *b, const char *topic, const char *text, size_t len) {
    uint32_t lengths[2] = {(uint32_t)strlen(topic), (uint32_t)len};

    buf_add(b, lengths, sizeof lengths);
    buf_add(b, topic, lengths[0]);
    buf_add(b, text, len);
}

bool subscription_next(const char **p, const char *end, struct subscription_entry *out) {
    uint32_t lengths[2];
    size_t left = (size_t)(end - *p);

    if (left < sizeof lengths)
        return false;
    memcpy(lengths, *p, sizeof lengths);
    left -= sizeof lengths;
    if (lengths[0] > left || lengths[1] > left - lengths[0])
        return false;
    out->topic = *p + sizeof lengths;
    out->topic_len = lengths[0];
    out->text = out->topic + out->topic_len;
    out->text_len = lengths[1];
    *p = out->text + out->text_len;
    return true;
}

bool subscription_find(const char *p, size_t len, const char *topic,
                       struct subscription_entry *out) {
    const char *end = p + len;
    size_t topic_len = strlen(topic);
    struct subscription_entry e;

    while (subscription_next(&p, end, &e))
        if (e.topic_len == topic_len && !memcmp(e.topic, topic, topic_len)) {
            *out = e;
            return true;
        }
    *out = (struct subscription_entry){0};
    return false;
}

bool subscription_folder(const char *dir, char topic[SUBSCRIPTION_TOPIC_MAX]) {
    size_t len = strlen(dir);
    char here[SUBSCRIPTION_TOPIC_MAX] = "";

    while (len > 1 && dir[len - 1] == '/')
        len--;
    if (!len || (*dir != '/' && !getcwd(here, sizeof here)))
        return false;
    return snprintf(topic, SUBSCRIPTION_TOPIC_MAX, "%s%s%.*s/", here, *here ? "/" : "", (int)len,
                    dir) < SUBSCRIPTION_TOPIC_MAX;
}
