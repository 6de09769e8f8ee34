/* Private part of app.h: what -t and a reload check. */
#include <errno.h>
#include <unistd.h>

#include "app/app.h"
#include "app/loaders.h"
#include "app/outputs.h"
#include "app/stores.h"
#include "crypto/seal_keys.h"
#include "net/http.h"

bool app_make_key(const char *path, FILE *problems) {
    struct seal_keys *keys = NULL;
    struct err e;

    if (seal_keys_load(path, true, &keys, &e)) {
        (void)fprintf(problems, "%s\n", e.detail);
        return false;
    }
    seal_keys_free(keys);
    return true;
}

static bool check_key(const struct config *config, FILE *problems) {
    struct seal_keys *keys = NULL;
    struct err e;

    if (!(config->endpoints & (GROUP_AUTHORIZE | GROUP_TOKEN | GROUP_MCP)))
        return true;
    if (config->makes_secret_key && access(config->secret_key_file, F_OK) && errno == ENOENT)
        return true;
    if (seal_keys_load(config->secret_key_file, false, &keys, &e)) {
        (void)fprintf(problems, "SECRET_KEY_FILE: %s\n", e.detail);
        return false;
    }
    seal_keys_free(keys);
    return true;
}

/* How client documents are fetched. */
static bool check_fetching(const struct config *c, FILE *problems) {
    const struct http_options nets = {1, c->client_metadata_allow_nets, "", ""};
    const struct http_options ca = {1, "", c->client_metadata_ca_file, ""};
    struct err e;
    bool good = true;

    if (http_options_check(&nets, &e)) {
        (void)fprintf(problems, "CLIENT_METADATA_ALLOW_NETS=%s: %s\n",
                      c->client_metadata_allow_nets, e.text);
        good = false;
    }
    if (http_options_check(&ca, &e)) {
        (void)fprintf(problems, "CLIENT_METADATA_CA_FILE=%s: %s\n", c->client_metadata_ca_file,
                      e.text);
        good = false;
    }
    return good;
}

bool app_check(const struct config *config, FILE *problems, unsigned *left_out) {
    bool good = check_fetching(config, problems);

    good = check_key(config, problems) && good;
    good = stores_check(config, problems) && good;
    good = outputs_check(config, problems) && good;
    return loaders_check(config, problems, left_out) && good;
}
