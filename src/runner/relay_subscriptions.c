/* Private part of relay.h: the resources that clients have subscribed to. A change is told by
 * touching a file that the daemon has passed as a descriptor: its stream holder watches it. */
#include <sys/stat.h>
#include <unistd.h>

#include "runner/relay.h"

#define LASTED_MS 30000 /* subscriptions that were made again: the next loss is no series */

static struct relay_subscription *find(struct relay *r, const char *uri) {
    for (unsigned i = 0; i < r->subscription_count; i++)
        if (!strcmp(r->subscriptions[i].uri, uri))
            return &r->subscriptions[i];
    return NULL;
}

/* The answer is not waited for: a server that refuses never tells of a change. */
static void tell_server(struct relay *r, const char *method, const char *uri) {
    struct relay_call *call;

    if (r->is_stateless)
        return;
    call =
        relay_request(r, method, json_new_member(r->arena, "uri", json_new_string(r->arena, uri)));
    if (call)
        relay_remove_call(r, call);
}

static bool has_room(const struct relay *r, const char *user) {
    unsigned own = 0;

    for (unsigned i = 0; i < r->subscription_count; i++)
        own += !strcmp(r->subscriptions[i].user, user);
    return r->subscription_count < RELAY_SUBSCRIPTIONS_MAX && own < RELAY_SUBSCRIPTIONS_USER_MAX;
}

/* NULL: there is no room. */
static struct relay_subscription *add(struct relay *r, const char *uri, const char *user,
                                      int file) {
    struct relay_subscription *s = &r->subscriptions[r->subscription_count];

    if (!has_room(r, user))
        return NULL;
    *s = (struct relay_subscription){.uri = xstrdup(uri), .file = file};
    (void)snprintf(s->user, sizeof s->user, "%s", user);
    r->subscription_count++;
    if (r->is_stateless)
        relay_listen(r);
    tell_server(r, "resources/subscribe", uri);
    return s;
}

void relay_subscribe(struct relay *r, struct relay_caller *caller, const struct json *message) {
    const char *uri = json_get_str(message, "uri"), *user = json_get_str(message, "user");
    struct relay_subscription *s = uri ? find(r, uri) : NULL;
    int file = caller->passed;
    int64_t seconds = 0;

    caller->passed = -1;
    if (file >= 0 && uri && !*uri) {
        descriptor_clear(&r->lists_file);
        r->lists_file = file;
        relay_say(r, caller, RELAY_SUBSCRIBED, NULL);
        return;
    }
    (void)json_get_int(message, "seconds", &seconds);
    if (file < 0 || !uri || !user || strlen(user) >= RELAY_USER_MAX || seconds <= 0 ||
        seconds > RELAY_SUBSCRIPTION_S_MAX || (!s && !(s = add(r, uri, user, file)))) {
        descriptor_close(file);
        relay_say(r, caller, RELAY_BUSY, NULL);
        return;
    }
    if (s->file != file)
        (void)close(file);
    seconds = clock_monotonic_ms() + seconds * 1000;
    s->until_ms = seconds > s->until_ms ? seconds : s->until_ms;
    relay_say(r, caller, RELAY_SUBSCRIBED, NULL);
}

static void drop(struct relay *r, unsigned i) {
    struct relay_subscription *s = &r->subscriptions[i];

    (void)close(s->file);
    free(s->uri);
    *s = r->subscriptions[--r->subscription_count];
}

/* "The URI may be a sub-resource of the one that the client subscribed to." */
static bool concerns(const struct relay_subscription *s, const char *uri) {
    const size_t len = strlen(s->uri);

    return !strncmp(s->uri, uri, len) && (!uri[len] || uri[len] == '/' || s->uri[len - 1] == '/');
}

void relay_resource_changed(struct relay *r, const char *uri) {
    for (unsigned i = 0; i < r->subscription_count; i++)
        if (!uri || concerns(&r->subscriptions[i], uri))
            (void)futimens(r->subscriptions[i].file, NULL);
}

static void subscribe_again(struct relay *r) {
    r->again_ms = 0;
    r->lost_ms = clock_monotonic_ms();
    arena_reset(r->arena);
    for (unsigned i = 0; i < r->subscription_count && r->to_server.len < RELAY_QUEUE_MAX; i++)
        tell_server(r, "resources/subscribe", r->subscriptions[i].uri);
    relay_resource_changed(r, NULL);
}

/* Less and less often: a server may lose its session each time that it is asked. */
void relay_subscriptions_lost(struct relay *r) {
    const int64_t now = clock_monotonic_ms();

    if (r->again_ms)
        return;
    r->again_ms = now;
    if (now < r->lost_ms + LASTED_MS)
        r->again_ms += clock_back_off_ms(&r->losses, RELAY_LISTEN_FIRST_MS, RELAY_LISTEN_MAX_MS);
    else
        r->losses = 0;
}

int64_t relay_subscriptions_due(struct relay *r) {
    const int64_t now = clock_monotonic_ms();
    int64_t due;

    if (r->again_ms && r->again_ms <= now)
        subscribe_again(r);
    due = r->again_ms ? r->again_ms : INT64_MAX;
    for (unsigned i = 0; i < r->subscription_count;) {
        const struct relay_subscription *s = &r->subscriptions[i];

        if (s->until_ms > now && !r->retired) {
            due = s->until_ms < due ? s->until_ms : due;
            i++;
            continue;
        }
        arena_reset(r->arena);
        tell_server(r, "resources/unsubscribe", s->uri);
        drop(r, i);
        if (r->is_stateless)
            relay_listen(r);
    }
    return due;
}

/* ---- the lists ---- */

void relay_lists_changed(struct relay *r) {
    const int64_t next = r->touched_ms + RELAY_TELL_EVERY_MS, now = clock_monotonic_ms();

    r->touch_ms = next > now ? next : now;
    (void)relay_lists_due(r);
}

int64_t relay_lists_due(struct relay *r) {
    const int64_t now = clock_monotonic_ms();

    if (!r->touch_ms || r->lists_file < 0)
        return INT64_MAX;
    if (r->touch_ms > now)
        return r->touch_ms;
    r->touch_ms = 0;
    r->touched_ms = now;
    (void)futimens(r->lists_file, NULL);
    return INT64_MAX;
}
