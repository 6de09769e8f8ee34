/* Private part of doctor.h: the certificate of the public addresses, judged as a client that is not
 * on this host would. */
#include <string.h>
#include <time.h>

#include "base/url.h"
#include "config/config.h"
#include "crypto/certificate.h"
#include "doctor/doctor.h"

#define TIMEOUT_MS 5000
#define DAYS_LEFT_MIN 21 /* who renews by itself (ACME) does so 30 days before the end */
#define DAY_S 86400

static const struct {
    enum certificate_fault fault;
    const char *text, *advice;
} faults[] = {
    {CERTIFICATE_EXPIRED, "has expired",
     "renew it, and reload the web server, which may still have the old one"},
    {CERTIFICATE_NOT_YET, "is not valid yet", "check this host's clock, then the certificate"},
    {CERTIFICATE_OTHER_NAME, "is for other names: ",
     "give that name's virtual host a certificate for it, or correct MCP_SERVER_URI and "
     "AUTH_PROXY_URI"},
    {CERTIFICATE_UNTRUSTED, "leads to no authority that this host trusts",
     "let the web server send the intermediate certificates too (fullchain.pem), of an authority "
     "that clients trust"},
    {CERTIFICATE_UNFIT, "is revoked, weak, or not for a server",
     "get another one, made for a web server"},
};

static void say_certificate(struct doctor *d, const char *host, const struct certificate *c) {
    int64_t days = (c->until_s - clock_now_s(&d->clock)) / DAY_S;
    char until[32] = "?";
    struct tm tm;

    if (gmtime_r(&(time_t){c->until_s}, &tm))
        (void)strftime(until, sizeof until, "%F", &tm);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        if (c->faults & faults[i].fault)
            doctor_fail(d, "certificate", faults[i].advice, "that of %s %s%.200s", host,
                        faults[i].text, faults[i].fault == CERTIFICATE_OTHER_NAME ? c->names : "");
    if (c->faults)
        return;
    if (days < DAYS_LEFT_MIN)
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
