/* The chain of sources, and the credentials in use: fetched before they end, used until they end if
 * their source does not answer, and wiped when others replace them. */
#include "aws/credentials.h"

#define REFRESH_MARGIN_S 300 /* new ones are asked for so long before the old ones end */
#define KEPT_WAIT_MS 1000    /* the longest a fetch may take while the old ones still serve */
#define REREAD_S 300         /* files are read again: an admin may have changed them */
#define RETRY_S 3            /* between two tries, while there are none that can be used */
#define RETRY_KEPT_S 30      /* between two tries, while the old ones still serve */
#define CREDENTIALS_MAX ((size_t)256 * 1024) /* a source's answer is far below */

/* In the order of AWS's SDKs. */
static const struct aws_source *const chain[] = {
    &aws_source_environment, &aws_source_profile, &aws_source_web_identity,
    &aws_source_container,   &aws_source_imds,
};

struct aws_credentials_source {
    const struct aws_source *source;
    struct aws_credentials_options options;
    struct arena *arena; /* of the credentials in use; NULL: none */
    struct aws_credentials credentials;
    int64_t fetched_s, tried_s; /* 0: never */
    bool is_refused;
    struct err failure; /* of the last try */
};

static enum rc choose(const struct aws_env *env, const struct aws_source **out, struct err *e) {
    struct arena *a = arena_new(AWS_SCRATCH_MAX);
    struct aws_profile profile;
    bool found = false;
    enum rc rc = aws_profile_load(a, env, &profile, e);

    for (size_t i = 0; !rc && !found && i < sizeof chain / sizeof *chain; i++) {
        *out = chain[i];
        rc = chain[i]->is_configured(&profile, &found, e);
    }
    arena_free(a);
    if (!rc && !found)
        rc = misconfigured(e, "no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
                              "AWS_SECRET_ACCESS_KEY, or allow the EC2 instance metadata service");
    return rc;
}

enum rc aws_credentials_new(const struct aws_credentials_options *options,
                            struct aws_credentials_source **out, struct err *e) {
    struct aws_credentials_source *s;
    const struct aws_source *source = NULL;

    *out = NULL;
    if (choose(options->env, &source, e))
        return e->code;
    s = xcalloc(1, sizeof *s);
    s->source = source;
    s->options = *options;
    log_info("aws_credentials_source", kv("source", source->name));
    *out = s;
    return OK;
}

void aws_credentials_free(struct aws_credentials_source *s) {
    if (!s)
        return;
    arena_free(s->arena);
    free(s);
}

const char *aws_credentials_source_name(const struct aws_credentials_source *s) {
    return s->source->name;
}

void aws_credentials_refused(struct aws_credentials_source *s) {
    s->is_refused = true;
}

static void copy(struct arena *a, const struct aws_credentials *from, struct aws_credentials *to) {
    to->access_key_id = arena_strdup(a, from->access_key_id);
    to->secret_access_key = arena_strdup(a, from->secret_access_key);
    to->session_token = arena_strdup(a, from->session_token);
    to->expires_s = from->expires_s;
}

static bool can_be_used(const struct aws_credentials_source *s, int64_t now_s) {
    return s->arena &&
           (!s->credentials.expires_s || now_s < s->credentials.expires_s || s->source->outlives);
}

static bool should_fetch(const struct aws_credentials_source *s, int64_t now_s) {
    bool usable = can_be_used(s, now_s), wanted = !usable || s->is_refused;
    int64_t wait_s = usable && !s->is_refused ? RETRY_KEPT_S : RETRY_S;

    if (!clock_has_passed(s->tried_s, now_s, wait_s))
        return false;
    if (s->source->is_file)
        return wanted || clock_has_passed(s->fetched_s, now_s, REREAD_S);
    return wanted ||
           (s->credentials.expires_s && now_s >= s->credentials.expires_s - REFRESH_MARGIN_S);
}

static void adopt(struct aws_credentials_source *s, const struct aws_credentials *fetched,
                  int64_t now_s) {
    struct arena *a = arena_new(CREDENTIALS_MAX);

    copy(a, fetched, &s->credentials);
    arena_free(s->arena); /* wipes the old ones */
    s->arena = a;
    s->fetched_s = now_s;
    s->is_refused = false;
    if (!s->source->is_file)
        log_info("aws_credentials_fetched", kv("source", s->source->name),
                 kvn("expires_in_s", fetched->expires_s ? fetched->expires_s - now_s : 0));
}

static void refresh(struct aws_credentials_source *s, int64_t now_s, int64_t deadline_ms) {
    int64_t latest_ms =
        clock_monotonic_ms() + (can_be_used(s, now_s) ? KEPT_WAIT_MS : AWS_CREDENTIALS_WAIT_MS);
    struct aws_credentials fetched = {0};
    struct aws_fetch f = {
        .arena = arena_new(AWS_SCRATCH_MAX),
        .env = s->options.env,
        .region = s->options.region,
        .http = s->options.http,
        .deadline_ms = deadline_ms < latest_ms ? deadline_ms : latest_ms,
        .now_s = now_s,
        .may_have_ended = s->source->outlives,
    };

    memset(&s->failure, 0, sizeof s->failure);
    s->tried_s = now_s;
    if (!s->source->fetch(&f, &fetched, &s->failure))
        adopt(s, &fetched, now_s);
    else
        log_warn("aws_credentials_fetch_failed", kv("source", s->source->name),
                 kv("detail", s->failure.detail), kv("kept", can_be_used(s, now_s) ? "yes" : "no"));
    arena_free(f.arena);
}

enum rc aws_credentials_get(struct aws_credentials_source *s, struct arena *a, int64_t deadline_ms,
                            struct aws_credentials *out, struct err *e) {
    int64_t now_s = clock_now_s(s->options.clock);

    if (should_fetch(s, now_s) && clock_monotonic_ms() < deadline_ms)
        refresh(s, now_s, deadline_ms);
    if (can_be_used(s, now_s)) {
        copy(a, &s->credentials, out);
        return OK;
    }
    if (!s->failure.code)
        return aws_source_failed(e, "no time was left to ask for them");
    *e = s->failure;
    return e->code;
}
