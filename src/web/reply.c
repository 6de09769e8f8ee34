#include "web/reply.h"

#include <inttypes.h>

#include "web/request.h"

void reply_init(struct reply *rp, struct arena *a) {
    memset(rp, 0, sizeof *rp);
    rp->arena = a;
    rp->body = "";
}

void reply_header(struct reply *rp, const char *name, const char *value) {
    for (const char *p = value; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127) {
            log_error("control_character_in_reply_header", kv("header", name));
            abort();
        }
    if (rp->header_count == REPLY_HEADERS_MAX) {
        log_error("too_many_reply_headers", kv("header", name));
        abort();
    }
    rp->headers[rp->header_count++] = (struct reply_header){name, value};
}

void reply_json(struct reply *rp, int status, const struct json *v) {
    rp->status = status;
    rp->body = json_text(rp->arena, v, &rp->body_len);
    reply_header(rp, "Content-Type", "application/json");
}

static bool is_encoded(const struct request *rq) {
    const char *coding = request_header(rq, "content-encoding");

    for (; coding && *coding; coding += strcspn(coding, ",")) {
        size_t len;

        coding += strspn(coding, " \t,");
        len = strcspn(coding, " \t,");
        if (len && (len != 8 || strncasecmp(coding, "identity", 8) != 0))
            return true;
    }
    return false;
}

enum rc reply_check_coding(struct reply *rp, const struct request *rq, struct err *e) {
    if (!rq->body_len || !is_encoded(rq))
        return OK;
    reply_header(rp, "Accept-Encoding", "identity"); /* RFC 9110 §12.5.3: which would do */
    return err_set(e, ERR_UNSUPPORTED_MEDIA_TYPE,
                   "bodies with a Content-Encoding are not decoded here: send it as it is");
}

void reply_redirect(struct reply *rp, const char *location) {
    rp->status = 302;
    reply_header(rp, "Location", location);
    reply_header(rp, "Cache-Control", "no-store");
    reply_header(rp, "Referrer-Policy", "no-referrer");
}

void reply_retry_after(struct reply *rp, int64_t wait_s) {
    reply_header(rp, "Retry-After", arena_printf(rp->arena, "%" PRId64, wait_s));
}

enum rc reply_rate_limited(struct reply *rp, int64_t wait_ms, struct err *e) {
    reply_retry_after(rp, (wait_ms + 999) / 1000);
    return err_set(e, ERR_RATE_LIMITED, "too many requests from this address; try again later");
}

void reply_empty(struct reply *rp, int status) {
    rp->status = status;
    rp->body = "";
    rp->body_len = 0;
}

enum rc reply_stream_begin(struct reply *rp) {
    rp->streaming = true;
    return rp->sink->begin(rp->sink, rp);
}

enum rc reply_stream_write(struct reply *rp, const char *p, size_t len) {
    return rp->ended ? ERR_MISSING : rp->sink->write(rp->sink, p, len);
}

void reply_stream_end(struct reply *rp) {
    if (!rp->ended)
        rp->sink->end(rp->sink);
    rp->ended = true;
}

bool reply_park(struct reply *rp, const struct parked *p) {
    rp->parked = rp->streaming && rp->sink->park && rp->sink->park(rp->sink, p);
    return rp->parked;
}

const char *reply_reason(int status) {
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {{200, "OK"},
                   {201, "Created"},
                   {202, "Accepted"},
                   {204, "No Content"},
                   {302, "Found"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {406, "Not Acceptable"},
                   {413, "Content Too Large"},
                   {415, "Unsupported Media Type"},
                   {421, "Misdirected Request"},
                   {429, "Too Many Requests"},
                   {500, "Internal Server Error"},
                   {503, "Service Unavailable"}};

    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}
