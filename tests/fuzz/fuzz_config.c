/* Files that an admin writes by hand. By its first byte an input is the configuration (c), the list
 * of who is denied (d), rules of access (r), a key file (k), or (l) three lines: address ranges, a
 * list of clients, and a client_id. */
#include <arpa/inet.h>
#include <strings.h>

#include "access/deny_list.h"
#include "catalog/access_rules.h"
#include "config/config.h"
#include "crypto/seal.h"
#include "idp/idp.h"
#include "input.h"
#include "net/ssrf_filter.h"
#include "oauth/clients.h"
#include "only_site.h"
#include "standalone.h"

#define NOW_S 1800000000

/* What `-t` prints. */
static char *dump(struct arena *a, const struct config *c, size_t *len) {
    char *text, *copy;
    FILE *f = open_memstream(&text, len);

    MUST(f);
    config_dump(c, true, f);
    MUST(!fclose(f));
    copy = arena_strndup(a, text, *len);
    free(text);
    return copy;
}

static struct config *load(const char *path, unsigned *problems) {
    char *text;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    struct config *c;

    MUST(f);
    config_on_provider(idp_check_config);
    c = config_load(path, f);
    MUST(!fclose(f));
    *problems = count_problems(text, len);
    free(text);
    return c;
}

/* What was accepted is accepted again as it is shown, and means the same. */
static void try_config(struct arena *a, const char *path) {
    unsigned problems;
    struct config *c = load(path, &problems), *again;
    const char *text, *text_again;
    size_t len, len_again;

    MUST((c == NULL) == (problems > 0));
    if (!c)
        return;
    MUST(c->workers_min <= c->workers_max && c->endpoints);
    MUST(c->mcp_path[0] == '/' && !strncasecmp(c->mcp_server_uri, c->mcp_origin, 4));
    text = dump(a, c, &len);
    fuzz_write(path, text, len, 0600);
    again = load(path, &problems);
    MUST(again);
    text_again = dump(a, again, &len_again);
    MUST(len == len_again && !memcmp(text, text_again, len));
    config_free(again);
    config_free(c);
}

/* Each line is a word and a value, or reported; what was taken is denied. */
static void try_deny(struct arena *a, const char *path, const char *text) {
    char *problems_text, *copy = arena_strdup(a, text);
    size_t len;
    unsigned bad;
    FILE *problems = open_memstream(&problems_text, &len);
    struct deny_list *d;

    MUST(problems);
    d = deny_load(path, NOW_S, problems, &bad);
    MUST(d && !fclose(problems));
    MUST(count_problems(problems_text, len) == bad);
    for (char *line; !bad && (line = strsep(&copy, "\n"));) {
        char *save = NULL, *what = strtok_r(line, " \t\r", &save);
        const char *value = what ? strtok_r(NULL, " \t\r", &save) : NULL;

        if (!what || *what == '#')
            continue;
        MUST(value);
        MUST(strcmp(what, "client") != 0 || deny_has_client(d, value));
        MUST(strcmp(what, "subject") != 0 || deny_has_subject(d, value));
        if (!strcmp(what, "issued-before"))
            MUST(!deny_is_issued_before(d, NOW_S + 301));
    }
    MUST(!deny_has_client(d, "a client of nobody") && !deny_has_subject(d, ""));
    deny_free(d);
    free(problems_text);
}

/* Wrong rules are reported, and none is kept then; a last rule for everybody decides. */
static void try_rules(struct arena *a, const char *path, const char *text) {
    static const char *const kinds[] = {"tool", "prompt", "resource", NULL};
    struct caller caller = {.sub = "s",
                            .username = "u",
                            .client_id = "c",
                            .scopes = "a b",
                            .groups = "[\"g\"]",
                            .arena = a};
    char *problems_text;
    size_t len;
    FILE *problems = open_memstream(&problems_text, &len);
    struct access_rules *r;

    MUST(problems);
    r = access_rules_load(path, kinds, problems);
    MUST(!fclose(problems));
    MUST((r == NULL) == (count_problems(problems_text, len) > 0));
    free(problems_text);
    (void)access_rules_admit(access_rules_about(r, a, "tool", text), &caller);
    access_rules_free(r);
    if (r && *text && text[strlen(text) - 1] == '\n') {
        text = arena_printf(a, "%sdeny * *\n", text);
        fuzz_write(path, text, strlen(text), 0600);
        r = access_rules_load(path, kinds, stderr);
        MUST(!r || !access_rules_admit(access_rules_about(r, a, "prompt", "x"), &caller));
        access_rules_free(r);
    }
}

/* Keys that are there seal, and open what they sealed. */
static void try_keys(struct arena *a, const char *path) {
    struct seal_keys *k = NULL;
    struct err e = {0};
    const char *sealed;
    struct plaintext out;

    if (seal_keys_load(path, false, &k, &e)) {
        MUST(!k && e.code == ERR_MISCONFIGURED && *e.text && *e.detail);
        MUST(is_plain_line(e.detail, strlen(e.detail)));
        return;
    }
    MUST(k->count >= 1 && k->count <= SEAL_KEYS_MAX);
    const struct seal_binding test = {.keys = k, .purpose = "test", .associated = "bound"};
    const struct seal_binding other = {.keys = k, .purpose = "other", .associated = "bound"};
    sealed = seal(a, &test, "data", 4);
    MUST(!seal_open(a, &test, sealed, &out, &e) && out.len == 4);
    MUST(seal_open(a, &other, sealed, &out, &e) == ERR_REFUSED);
    seal_keys_free(k);
}

static void try_lists(struct arena *a, const char *nets, const char *list, const char *client_id) {
    struct sockaddr_in private = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    struct ssrf_filter g;
    struct err e = {0};

    if (ssrf_filter_init(&g, nets, &e)) {
        MUST(e.code == ERR_MISCONFIGURED && *e.text);
    } else {
        MUST(g.count <= SSRF_FILTER_NETS_MAX);
        for (unsigned i = 0; i < g.count; i++)
            MUST(g.allowed[i].bits <= 128);
        MUST(!ssrf_filter_allows(&g, (const struct sockaddr *)(const void *)&private) || g.count);
    }
    (void)client_list_has(a, list, client_id);
    MUST(!*client_id || strchr(client_id, ' ') || client_list_has(a, client_id, client_id));
}

static bool allows4(const struct ssrf_filter *g, const uint8_t *ip) {
    struct sockaddr_in sa = {.sin_family = AF_INET};

    memcpy(&sa.sin_addr, ip, 4);
    return ssrf_filter_allows(g, (const struct sockaddr *)(const void *)&sa);
}

static bool allows6(const struct ssrf_filter *g, const uint8_t *ip) {
    struct sockaddr_in6 sa = {.sin6_family = AF_INET6};

    memcpy(&sa.sin6_addr, ip, 16);
    return ssrf_filter_allows(g, (const struct sockaddr *)(const void *)&sa);
}

/* An address is judged by what it really is, in whatever form it comes. */
static void try_address(const uint8_t ip[16]) {
    uint8_t mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    uint8_t nat64[16] = {0, 0x64, 0xff, 0x9b};
    struct ssrf_filter none;
    struct err e;

    MUST(!ssrf_filter_init(&none, "", &e));
    memcpy(mapped + 12, ip, 4);
    memcpy(nat64 + 12, ip, 4);
    MUST(allows6(&none, mapped) == allows4(&none, ip));
    MUST(allows6(&none, nat64) == allows4(&none, ip));
    if (ip[0] == 0 || ip[0] == 10 || ip[0] == 127 || ip[0] >= 224 ||
        (ip[0] == 169 && ip[1] == 254) || (ip[0] == 192 && ip[1] == 168) ||
        (ip[0] == 172 && ip[1] >> 4 == 1) || (ip[0] == 100 && ip[1] >> 6 == 1))
        MUST(!allows4(&none, ip));
    if (ip[0] >> 5 != 1 && memcmp(ip, mapped, 12) != 0 && memcmp(ip, nat64, 12) != 0)
        MUST(!allows6(&none, ip)); /* RFC 4291 §2.4: loopback, link-local, unique local, … */
    MUST(!ssrf_filter_init(&none, "0.0.0.0/0 ::/0", &e));
    MUST(allows4(&none, ip) && allows6(&none, ip));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena *a = arena_new(ARENA_BYTES);
    char kind = size ? (char)*data : 0;
    const char *path, *text, *nets, *list;

    if (size && size <= 65536) {
        if (!*fuzz_dir)
            MUST(!clearenv());
        path = fuzz_path(a, "file");
        data++;
        size--;
        text = arena_strndup(a, (const char *)data, size);
        fuzz_write(path, data, size, 0600);
        if (kind == 'c') {
            try_config(a, path);
        } else if (kind == 'd') {
            try_deny(a, path, text);
        } else if (kind == 'r') {
            try_rules(a, path, text);
        } else if (kind == 'k') {
            try_keys(a, path);
        } else if (kind == 'a' && size >= 16) {
            try_address(data);
        } else if (kind == 'l') {
            nets = take_line_of(a, &data, &size);
            list = take_line_of(a, &data, &size);
            try_lists(a, nets, list, take_line_of(a, &data, &size));
        }
    }
    arena_free(a);
    return 0;
}
