/* Fetching what clients publish. The address is a stranger's, so its server may be slow, wrong or
 * not there: only so many workers of the host wait for such servers at once, and what came is kept
 * for all of them, as HTTP caching says (RFC 9111), within limits of our own. */
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/encode.h"
#include "base/json.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "metrics/metrics.h"
#include "net/caching.h"
#include "net/http.h"
#include "oauth/clients.h"
#include "oauth/site.h"
#include "shared/shared.h"

#define SLOT_WAIT_MS 200 /* for one of the workers that fetch to be done */
#define SLOT_STEP_MS 10

/* A document as it lies in the cache. */
struct kept {
    int64_t stored_s, fresh_until_s;
    struct json *document;
};

static const char *cache_key(struct arena *a, const char *prefix, const struct document_kind *kind,
                             const char *url) {
    uint8_t digest[SHA256_LEN];

    sha256(url, strlen(url), digest);
    return arena_printf(a, "%s%s:%s", prefix, kind->id, base64url_encode(a, digest, sizeof digest));
}

/* Checked again when it is read: what is acceptable may have changed since. */
static bool read_kept(struct site *site, struct arena *a, const struct document_kind *kind,
                      const char *url, struct kept *out) {
    struct json *o;
    struct cache_entry entry;
    struct err ignored;
    const char *text;

    if (!site->cache || cache_get(site->cache, a, cache_key(a, "", kind, url), &entry, &ignored))
        return false;
    out->stored_s = entry.stored_s;
    return !json_parse(a, entry.value, entry.len, &o, &ignored) &&
           (text = json_get_str(o, "text")) &&
           json_get_int(o, "fresh_until", &out->fresh_until_s) &&
           !json_parse(a, text, strlen(text), &out->document, &ignored) &&
           !kind->check(site->config, a, out->document, url, &ignored);
}

static void keep(struct site *site, struct arena *a, const struct document_kind *kind,
                 const char *url, const struct http_reply *rp) {
    int64_t now_s = clock_now_s(&site->clock), fresh_s = DOCUMENT_FRESH_S,
            stale_s = DOCUMENT_STALE_S;
    struct http_caching caching;
    struct json *o;
    struct cache_entry entry;
    struct err e;

    http_caching_read(a, rp, now_s, &caching);
    if (caching.has_lifetime)
        fresh_s = caching.fresh_s;
    if (fresh_s < DOCUMENT_FRESH_MIN_S)
        fresh_s = DOCUMENT_FRESH_MIN_S;
    if (fresh_s > DOCUMENT_FRESH_MAX_S)
        fresh_s = DOCUMENT_FRESH_MAX_S;
    if (!caching.may_be_stale)
        stale_s = 0;
    else if (caching.stale_if_error_s >= 0 && caching.stale_if_error_s < stale_s)
        stale_s = caching.stale_if_error_s; /* RFC 5861 §4 */
    if (!caching.may_store)
        fresh_s = stale_s = 0; /* replaces one that might have been kept */
    o = json_new_object(a);
    json_put(o, "text", json_new_stringn(a, rp->body, rp->body_len));
    json_put_int(o, "fresh_until", now_s + fresh_s);
    entry.ttl_s = fresh_s + stale_s;
    entry.value = json_text(a, o, &entry.len);
    if (cache_set(site->cache, cache_key(a, "", kind, url), &entry, DOCUMENTS_CACHED_MAX, &e))
        log_warn("client_document_not_kept", kv("url", url), kv("detail", e.detail));
}

/* Remembers why, and forgets what there was: a document that its server took away is not used for
 * lack of an answer later. */
static void keep_refusal(struct site *site, struct arena *a, const struct document_kind *kind,
                         const char *url, const struct err *why) {
    const struct cache_entry none = cache_text("", 0),
                             refusal = cache_text(why->text, DOCUMENT_REFUSED_S);
    struct err e;

    if (cache_set(site->cache, cache_key(a, "", kind, url), &none, DOCUMENTS_CACHED_MAX, &e) ||
        cache_set(site->cache, cache_key(a, "no-", kind, url), &refusal, DOCUMENTS_REFUSED_MAX, &e))
        log_warn("client_document_not_kept", kv("url", url), kv("detail", e.detail));
}

static bool read_refusal(struct site *site, struct arena *a, const struct document_kind *kind,
                         const char *url, struct err *e) {
    struct cache_entry entry;
    struct err ignored;

    if (!site->cache || cache_get(site->cache, a, cache_key(a, "no-", kind, url), &entry, &ignored))
        return false;
    (void)err_set(e, ERR_INVALID_CLIENT, "%s", (const char *)entry.value);
    return true;
}

static bool is_json_type(const char *type) {
    size_t n = strcspn(type, "; \t");

    return (n == 16 && !strncasecmp(type, "application/json", n)) ||
           (n > 17 && !strncasecmp(type, "application/", 12) &&
            !strncasecmp(type + n - 5, "+json", 5));
}

/* What came from the server, if anything did. An answer that says that the server is overloaded or
 * broken may be another one soon, and is not remembered. */
static enum rc check_reply(const struct config *c, struct arena *a,
                           const struct document_kind *kind, const char *url,
                           const struct http_reply *rp, struct json **out, struct err *e) {
    if (rp->status == 429 || rp->status >= 500)
        return err_set(e, ERR_UPSTREAM, "the server of %s answered with status %ld", kind->name,
                       rp->status);
    if (rp->status != 200) /* draft §3: only 200 counts, and no redirect is followed */
        return err_set(e, ERR_INVALID_CLIENT, "the server of %s answered with status %ld",
                       kind->name, rp->status);
    if (!is_json_type(rp->content_type))
        return err_set(e, ERR_INVALID_CLIENT, "%s is not of type application/json", kind->name);
    if (json_parse(a, rp->body, rp->body_len, out, e))
        return err_set(e, ERR_INVALID_CLIENT, "%s is not valid JSON", kind->name);
    return kind->check(c, a, *out, url, e);
}

/* ERR_UPSTREAM: nothing can be said of the document now. */
static enum rc fetch(struct site *site, struct arena *a, const struct document_kind *kind,
                     const char *url, struct json **out, struct err *e) {
    static const char *const headers[] = {"Accept: application/json", NULL};
    const struct http_request rq = {.method = "GET",
                                    .url = url,
                                    .headers = headers,
                                    .max_reply_bytes = kind->bytes_max,
                                    .timeout_ms = CLIENT_DOCUMENT_TIMEOUT_MS,
                                    .counted_as = 1 + UPSTREAM_DOCUMENT};
    struct http_reply rp;
    enum rc rc = http_fetch(site->oauth->guarded, a, &rq, &rp, e);

    if (rc && rc != ERR_ACCESS_DENIED && rc != ERR_TOO_LARGE) {
        (void)snprintf(e->text, sizeof e->text, "the server of %s did not answer", kind->name);
        return rc;
    }
    if (rc == ERR_ACCESS_DENIED)
        rc = err_set(e, ERR_INVALID_CLIENT, "%s is not on a public address, and may not be fetched",
                     kind->name);
    else if (rc)
        rc = err_set(e, ERR_INVALID_CLIENT, "%s is longer than %zu bytes", kind->name,
                     kind->bytes_max);
    else
        rc = check_reply(site->config, a, kind, url, &rp, out, e);
    if (!rc && site->cache)
        keep(site, a, kind, url, &rp);
    if (rc == ERR_INVALID_CLIENT && site->cache)
        keep_refusal(site, a, kind, url, e);
    return rc;
}

/* So many workers may wait for documents at once: half of the pool goes on serving all else. */
static unsigned slots_of(const struct config *c) {
    return c->workers_max > 1 ? c->workers_max / 2 : 1;
}

/* Waits a moment for a slot, during which another worker may bring the document. */
static enum rc enter(struct site *site, struct arena *a, const struct document_kind *kind,
                     const char *url, int64_t since_s, struct kept *kept, bool *have,
                     struct err *e) {
    const struct timespec step = {0, SLOT_STEP_MS * 1000000L};
    int64_t end_ms = clock_monotonic_ms() + SLOT_WAIT_MS;

    *have = false;
    while (!host_slots_enter(site->oauth->document_slots, slots_of(site->config))) {
        if (clock_monotonic_ms() >= end_ms)
            return err_set(e, ERR_UPSTREAM,
                           "too many clients are being looked up just now; try again");
        nanosleep(&step, NULL);
        *have = read_kept(site, a, kind, url, kept) && kept->stored_s >= since_s &&
                clock_now_s(&site->clock) < kept->fresh_until_s;
        if (*have)
            return OK;
    }
    return OK;
}

/* From its server, if there is a slot for that. */
static enum rc ask(struct site *site, struct arena *a, const struct document_kind *kind,
                   const char *url, int64_t since_s, struct json **out, struct err *e) {
    struct kept kept;
    bool have;
    enum rc rc;

    if (enter(site, a, kind, url, since_s, &kept, &have, e))
        return e->code;
    if (have) {
        *out = kept.document;
        return OK;
    }
    rc = fetch(site, a, kind, url, out, e);
    if (rc == ERR_UPSTREAM) /* nobody can say that it will pass */
        e->advice = "advice.unreachable";
    host_slots_leave(site->oauth->document_slots);
    return rc;
}

enum rc document_get_newer(struct site *site, struct arena *a, const struct document_kind *kind,
                           const char *url, int64_t since_s, struct json **out, struct err *e) {
    struct kept kept = {0};
    bool have = read_kept(site, a, kind, url, &kept);
    enum rc rc;

    *out = kept.document;
    if (have && kept.stored_s >= since_s && clock_now_s(&site->clock) < kept.fresh_until_s)
        return OK;
    if (read_refusal(site, a, kind, url, e))
        return e->code;
    rc = ask(site, a, kind, url, since_s, out, e);
    /* RFC 5861 §4. So too without a slot: a stranger's slow server must not stop known clients. */
    if (rc == ERR_UPSTREAM && have) {
        log_warn("client_document_stale", kv("url", url), kv("why", e->text),
                 kv("detail", e->detail));
        *out = kept.document;
        return OK;
    }
    return rc;
}

enum rc document_get(struct site *site, struct arena *a, const struct document_kind *kind,
                     const char *url, struct json **out, struct err *e) {
    return document_get_newer(site, a, kind, url, 0, out, e);
}

struct http_options document_http_options(const struct config *c) {
    return (struct http_options){1, c->client_metadata_allow_nets, c->client_metadata_ca_file,
                                 c->client_metadata_proxy};
}
