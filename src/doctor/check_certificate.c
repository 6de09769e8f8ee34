/* Private part of doctor.h: the certificate of the public addresses, judged as a client that is not
 * on this host would. */
#include <string.h>
#include <time.h>

#include "base/url.h"
#include "config/load.h"
#include "crypto/certificate.h"
#include "doctor/doctor.h"

#define TIMEOUT_MS 5000
#define DAYS_LEFT_MIN 21 /* who renews by itself (ACME) does so 30 days before the end */
#define DAY_S 86400

static void say_fault(struct doctor *d, const char *host, const struct certificate *c) {
    static const char what[] = "certificate";

    if (c->faults & CERTIFICATE_EXPIRED)
        doctor_fail(d, what,
                    "renew it, and reload the web server, which may still have the old one",
                    "that of %s has expired", host);
    if (c->faults & CERTIFICATE_NOT_YET)
        doctor_fail(d, what, "check this host's clock, then the certificate",
                    "that of %s is not valid yet", host);
    if (c->faults & CERTIFICATE_OTHER_NAME)
        doctor_fail(d, what,
                    "give that name's virtual host a certificate for it, or correct MCP_SERVER_URI "
                    "and AUTH_PROXY_URI",
                    "that of %s is for other names: %.200s", host, c->names);
    if (c->faults & CERTIFICATE_UNTRUSTED)
        doctor_fail(d, what,
                    "let the web server send the intermediate certificates too (fullchain.pem), of "
                    "an authority that clients trust",
                    "that of %s leads to no authority that this host trusts", host);
    if (c->faults & CERTIFICATE_UNFIT)
        doctor_fail(d, what, "get another one, made for a web server",
                    "that of %s is revoked, weak, or not for a server", host);
}

static void say_certificate(struct doctor *d, const char *host, const struct certificate *c) {
    int64_t days = (c->until_s - clock_now_s(&d->clock)) / DAY_S;
    char until[32] = "?";
    struct tm tm;

    if (gmtime_r(&(time_t){c->until_s}, &tm))
        (void)strftime(until, sizeof until, "%F", &tm);
    if (c->faults)
        say_fault(d, host, c);
    else if (days < DAYS_LEFT_MIN)
        doctor_warn(d, "certificate", "renew it, and find out why nothing has done so",
                    "that of %s ends in %lld days (%s)", host, (long long)days, until);
    else
        doctor_ok(d, "certificate", "that of %s is good until %s", host, until);
}

/* An IPv6 address without its brackets. */
static const char *bare_host(struct arena *a, const char *host) {
    return *host == '[' ? arena_strndup(a, host + 1, strlen(host) - 2) : host;
}

bool check_certificate(struct doctor *d, const char *origin) {
    struct certificate c = {0};
    struct text pem;
    struct url u;
    struct err e;

    if (url_parse(d->arena, origin, &u, &e))
        return false; /* config_load has parsed it */
    if (strcmp(u.scheme, "https") != 0) {
        doctor_ok(d, "certificate", "%s has none: for clients on this host only", origin);
        return true;
    }
    if (http_certificates(d->arena, origin, TIMEOUT_MS, &pem, &e)) {
        doctor_fail(d, "certificate", DOCTOR_REACH_ADVICE, "%s: %s", origin, e.detail);
        return false;
    }
    if (certificate_check(d->arena,
                          &(struct certificate_chain){pem.p, pem.len, bare_host(d->arena, u.host)},
                          d->config->client_metadata_ca_file, &c, &e)) {
        doctor_fail(d, "certificate", "look at it with openssl s_client", "%s: %s", origin, e.text);
        return false;
    }
    say_certificate(d, u.host, &c);
    return !c.faults;
}
