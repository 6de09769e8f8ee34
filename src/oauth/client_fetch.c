#include "oauth/client_fetch.h"

#include <inttypes.h>
#include <sys/param.h>

#include "base/json.h"
#include "config/config.h"
#include "crypto/digest.h"
#include "metrics/metrics.h"
#include "shared/concurrency_limit.h"
#include "shared/single_flight.h"

#define LIMIT_WAIT_MS 200 /* for one of the workers that fetch to be done */
#define LIMIT_STEP_MS 10
#define LEASE_S (CLIENT_DOCUMENT_TIMEOUT_MS / 1000 + 2)
#define REFUSED_S (CLIENT_DOCUMENT_TIMEOUT_MS / 1000) /* nobody waits longer */
#define REFUSED_MAX 1024

/* A document as it lies in the cache. */
struct kept {
    int64_t stored_s, fresh_until_s;
    struct json *document;
};

/* One document that is wanted, and what is known of it. */
struct lookup {
    struct site *site;
    struct arena *a;
    const struct document_kind *kind;
    const char *url;
    int64_t since_s;
    const char *key, *refusal_key; /* in the cache */
    int64_t wait_ms; /* monotonic: since when it waits for an answer; 0: it does not */
    bool has_kept;
    struct kept kept; /* if has_kept */
    struct json **out;
    enum rc rc;
    struct err *e;
};

/* Checked again when it is read: what is acceptable may have changed since. */
static bool read_kept(const struct lookup *l, struct kept *out) {
    struct cache_entry entry;
    const char *text;
    struct json *o;

    if (cache_get(l->site->cache, l->a, l->key, &entry, ERR_IGNORED))
        return false;
    out->stored_s = entry.stored_s;
    return !json_parse(l->a, entry.value, entry.len, &o, ERR_IGNORED) &&
           (text = json_get_str(o, "text")) &&
           json_get_int(o, "fresh_until", &out->fresh_until_s) &&
           !json_parse(l->a, text, strlen(text), &out->document, ERR_IGNORED) &&
           !l->kind->check(l->site->config, l->a, out->document, l->url, ERR_IGNORED);
}

/* The answer to another worker, while this one waited for it. It is nothing to those who come later
 * (draft §4.4). */
static bool read_refusal(const struct lookup *l) {
    struct cache_entry entry;
    char *why;

    if (!l->wait_ms || cache_get(l->site->cache, l->a, l->refusal_key, &entry, ERR_IGNORED) ||
        strtoll(entry.value, &why, 10) <= l->wait_ms)
        return false;
    (void)invalid_client(l->e, "%s", why + 1);
    return true;
}

/* What there is to say without asking: a document that is fresh, or why there is none. */
static bool find_result(void *arg) {
    struct lookup *l = arg;

    if (!l->site->cache)
        return false;
    l->has_kept = read_kept(l, &l->kept);
    if (l->has_kept && l->kept.stored_s >= l->since_s &&
        clock_now_s(&l->site->clock) < l->kept.fresh_until_s) {
        *l->out = l->kept.document;
        l->rc = OK;
        return true;
    }
    if (!read_refusal(l))
        return false;
    l->rc = ERR_INVALID_CLIENT;
    return true;
}

/* How long a document is fresh, and may be used after that while its server does not answer. */
static void read_lifetimes(const struct http_caching *caching, int64_t *fresh_s, int64_t *stale_s) {
    *fresh_s = caching->has_lifetime
                   ? MIN(MAX(caching->fresh_s, DOCUMENT_FRESH_MIN_S), DOCUMENT_FRESH_MAX_S)
                   : DOCUMENT_FRESH_S;
    *stale_s = caching->may_be_stale ? DOCUMENT_STALE_S : 0;
    if (caching->stale_if_error_s >= 0 && caching->stale_if_error_s < *stale_s)
        *stale_s = caching->stale_if_error_s; /* RFC 5861 §4 */
    if (!caching->may_store)
        *fresh_s = *stale_s = 0; /* replaces one that might have been kept */
}

static void keep(const struct lookup *l, const struct http_reply *rp) {
    int64_t now_s = clock_now_s(&l->site->clock), fresh_s, stale_s;
    struct json *o = json_new_object(l->a);
    struct http_caching caching;
    struct cache_entry entry;
    struct err e;

    http_caching_read(l->a, rp, now_s, &caching);
    read_lifetimes(&caching, &fresh_s, &stale_s);
    json_put(o, "text", json_new_stringn(l->a, rp->body, rp->body_len));
    json_put_int(o, "fresh_until", now_s + fresh_s);
    entry.ttl_s = fresh_s + stale_s;
    entry.value = json_text(l->a, o, &entry.len);
    if (cache_set(l->site->cache, l->key, &entry, DOCUMENTS_CACHED_MAX, &e))
        log_warn("client_document_cache_failed", kv("url", l->url), kv("detail", e.detail));
}

/* Tells those who wait for this answer, and forgets what there was: a document that its server took
 * away is not used for lack of an answer later. */
static void share_refusal(const struct lookup *l) {
    const char *why = arena_printf(l->a, "%" PRId64 " %s", clock_monotonic_ms(), l->e->text);
    const struct cache_entry none = cache_text_entry("", 0),
                             refusal = cache_text_entry(why, REFUSED_S);
    struct err e;

    if ((l->has_kept && cache_set(l->site->cache, l->key, &none, DOCUMENTS_CACHED_MAX, &e)) ||
        cache_set(l->site->cache, l->refusal_key, &refusal, REFUSED_MAX, &e))
        log_warn("client_document_cache_failed", kv("url", l->url), kv("detail", e.detail));
}

static bool is_json_type(const char *type) {
    size_t n = strcspn(type, "; \t");

    return (n == 16 && !strncasecmp(type, "application/json", n)) ||
           (n > 17 && !strncasecmp(type, "application/", 12) &&
            !strncasecmp(type + n - 5, "+json", 5));
}

/* What came from the server, if anything did. An answer that says that the server is overloaded or
 * broken may be another one soon, and is not remembered. */
static enum rc check_reply(const struct lookup *l, const struct http_reply *rp) {
    if (rp->status == 429 || rp->status >= 500)
        return err_set(l->e, ERR_UPSTREAM, "the server of %s answered with status %ld",
                       l->kind->name, rp->status);
    if (rp->status != 200) /* draft §4: only 200 counts, and no redirect is followed */
        return invalid_client(l->e, "the server of %s answered with status %ld", l->kind->name,
                              rp->status);
    if (!is_json_type(rp->content_type))
        return invalid_client(l->e, "%s is not of type application/json", l->kind->name);
    if (json_parse(l->a, rp->body, rp->body_len, l->out, l->e))
        return invalid_client(l->e, "%s is not valid JSON", l->kind->name);
    return l->kind->check(l->site->config, l->a, *l->out, l->url, l->e);
}

/* Judges what http_fetch gave. ERR_INVALID_CLIENT: the document is not there or wrong. */
static enum rc check_fetched(const struct lookup *l, enum rc fetched, const struct http_reply *rp) {
    switch (fetched) {
    case OK:
        return check_reply(l, rp);
    case ERR_ACCESS_DENIED:
        return invalid_client(l->e, "%s is not on a public address, and may not be fetched",
                              l->kind->name);
    case ERR_TOO_LARGE:
        return invalid_client(l->e, "%s is longer than %zu bytes", l->kind->name,
                              l->kind->bytes_max);
    default:
        (void)snprintf(l->e->text, sizeof l->e->text, "the server of %s did not answer",
                       l->kind->name);
        return fetched;
    }
}

/* ERR_UPSTREAM: nothing can be said of the document now. */
static enum rc fetch(const struct lookup *l, int64_t until_ms) {
    static const char *const headers[] = {"Accept: application/json", NULL};
    int64_t left_ms = until_ms - clock_monotonic_ms();
    const struct http_request rq = {.method = "GET",
                                    .url = l->url,
                                    .headers = headers,
                                    .max_reply_bytes = l->kind->bytes_max,
                                    .timeout_ms = left_ms > 1 ? (long)left_ms : 1,
                                    .counted_as = 1 + UPSTREAM_DOCUMENT};
    struct http_reply rp;
    enum rc rc = http_fetch(l->site->oauth->guarded, l->a, &rq, &rp, l->e);

    rc = check_fetched(l, rc, &rp);
    if (!rc && l->site->cache)
        keep(l, &rp);
    if (rc == ERR_INVALID_CLIENT && l->site->cache)
        share_refusal(l);
    return rc;
}

/* One worker fetches it and the others wait. A failure that may pass is not shared: then another
 * one fetches it, in what is left of the time that the first one had too. */
static enum rc fetch_once(struct lookup *l) {
    struct single_flight flight = {.cache = l->site->cache,
                                   .name = l->key,
                                   .lease_s = LEASE_S,
                                   .until_ms = clock_monotonic_ms() + CLIENT_DOCUMENT_TIMEOUT_MS,
                                   .find = find_result,
                                   .arg = l};
    enum flight_result result = FLIGHT_ENDED;
    enum rc rc;

    if (!l->site->cache)
        return fetch(l, flight.until_ms);
    while (result == FLIGHT_ENDED)
        result = single_flight_begin(&flight, l->e);
    if (result == FLIGHT_FOUND)
        return l->rc;
    if (result == FLIGHT_TIMEOUT)
        return err_set(l->e, ERR_UPSTREAM, "the server of %s did not answer", l->kind->name);
    rc = fetch(l, flight.until_ms);
    if (result == FLIGHT_LEADS)
        single_flight_end(&flight);
    return rc;
}

/* Half of the workers go on serving all else. Of several sites one takes a quarter of the host's,
 * and all together three: slow documents of two leave room for a third one's. */
static enum rc take_share(const struct lookup *l, int *fd, struct err *e) {
    const struct config *c = l->site->config;
    const bool shared = l->site->has_others;
    const unsigned half = MAX(c->workers_max / 2, 1), quarter = MAX(c->workers_max / 4, 1);
    const struct concurrency_share share = {
        .path = arena_printf(l->a, "%s/" DOCUMENT_FETCHES, c->host_state_dir),
        .total = shared ? MAX(c->workers_max - quarter, 1) : half,
        .per_owner = shared ? quarter : half};

    return concurrency_share_take(&share, shared ? c->site : "", fd, e);
}

/* Waits a moment for a share, during which another worker may fetch the document; not if there are
 * other sites, since one's waiting workers would be missed by all. Without the file (a full disk)
 * there is no limit. */
static enum rc ask(struct lookup *l) {
    int64_t end_ms = clock_monotonic_ms() + (l->site->has_others ? 0 : LIMIT_WAIT_MS);
    int share;
    enum rc rc;

    while ((rc = take_share(l, &share, ERR_IGNORED)) && rc != ERR_STORE) {
        if (clock_monotonic_ms() >= end_ms)
            return err_set(l->e, ERR_UPSTREAM,
                           "too many clients are being looked up just now; try again");
        clock_sleep_ms(LIMIT_STEP_MS);
        if (find_result(l))
            return l->rc;
    }
    rc = fetch_once(l);
    if (rc == ERR_UPSTREAM) /* nobody can say that it will pass */
        l->e->advice = "advice.unreachable";
    descriptor_close(share);
    return rc;
}

enum rc document_get(struct site *site, struct arena *a, const struct document_request *rq,
                     struct json **out, struct err *e) {
    struct lookup l = {.site = site,
                       .a = a,
                       .kind = rq->kind,
                       .url = rq->url,
                       .since_s = rq->since_s,
                       .out = out,
                       .e = e};
    enum rc rc;

    l.key = text_concat(a, rq->kind->id, ":", sha256_base64url(a, rq->url, SHA256_LEN));
    l.refusal_key = text_concat(a, "no-", l.key);
    *out = NULL;
    if (find_result(&l))
        return OK;
    l.wait_ms = clock_monotonic_ms();
    rc = ask(&l);
    /* RFC 5861 §4. So too if none could be asked for: a stranger's slow server must not stop known
     * clients. */
    if (rc == ERR_UPSTREAM && l.has_kept) {
        log_warn("client_document_stale", kv("url", l.url), kv("why", e->text),
                 kv("detail", e->detail));
        *out = l.kept.document;
        return OK;
    }
    return rc;
}

struct http_options document_http_options(const struct config *c) {
    return (struct http_options){.public_only = true,
                                 .allow_nets = c->client_metadata_allow_nets,
                                 .ca_file = c->client_metadata_ca_file,
                                 .proxy = c->client_metadata_proxy};
}
