/* Certificate chains as a web server sends them, judged against one authority; the subject of an
 * authority. */
#include "input.h"
#include "net/trust.h"
#include "standalone.h"

/* Without the authorities of this host: reading them takes longer than everything else. */
#include <gnutls/x509.h>
#define gnutls_x509_trust_list_add_system_trust(list, flags, check) 0
#include "crypto/certificate.c"

#define CHAIN_BYTES_MAX 65536

static const char authority[] = "-----BEGIN CERTIFICATE-----\n"
                                "MIIBdjCCARugAwIBAgIUB0R43WSEE8XEvTWHopvO+bxmIlAwCgYIKoZIzj0EAwIw\n"
                                "DzENMAsGA1UEAwwERnV6ejAgFw0yNjExMjgyMjEzNTJaGA8yMTI2MTEwNDIyMTM1\n"
                                "MlowDzENMAsGA1UEAwwERnV6ejBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABIS4\n"
                                "/AFNXTGuL6ksjXFwCmdTs7t6DICFyMvlUapjyG5hDCwgqo418vRlJK15TOhVjOJn\n"
                                "5jelHtapCvgA8NC4fUGjUzBRMB0GA1UdDgQWBBTlId+4T6stIf1WWzknzP30lC+S\n"
                                "NjAfBgNVHSMEGDAWgBTlId+4T6stIf1WWzknzP30lC+SNjAPBgNVHRMBAf8EBTAD\n"
                                "AQH/MAoGCCqGSM49BAMCA0kAMEYCIQCy2ZjxNeWsSvXI7DyA/NWGHXfnK3BSbmtE\n"
                                "XossejLifgIhAP/p6sEmEi0K2Lc4vCeIEtimwpAMOVTUNq0RpS3D8snt\n"
                                "-----END CERTIFICATE-----\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena *a = arena_new(ARENA_BYTES);
    const char *ca_file = fuzz_path(a, "authority.pem");
    struct certificate c = {0}, elsewhere = {0};
    struct text subject;
    struct err e = {.code = OK};

    if (trust_subject((struct text){(const char *)data, size}, &subject))
        MUST(subject.p > (const char *)data &&
             subject.p + subject.len <= (const char *)data + size);
    if (access(ca_file, F_OK))
        fuzz_write(ca_file, authority, strlen(authority), 0600);
    if (size <= CHAIN_BYTES_MAX) {
        if (certificate_check(a,
                              &(struct certificate_chain){(const char *)data, size, "mcp.example"},
                              ca_file, &c, &e)) {
            MUST(e.code == ERR_INVALID_REQUEST && *e.text);
        } else {
            MUST(c.names && strlen(c.names) <= NAMES_MAX);
            MUST(c.faults || strstr(c.names, "mcp.example"));
            MUST(!certificate_check(
                a, &(struct certificate_chain){(const char *)data, size, "not.example"}, ca_file,
                &elsewhere, &e));
            MUST(elsewhere.faults); /* nothing here is good for a name that is not in it */
        }
    }
    arena_free(a);
    return 0;
}
