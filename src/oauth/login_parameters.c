/* What a client may say about how its user logs in, for Cognito: OpenID Connect Core §3.1.2.1, and
 * Cognito's own identity_provider and idp_identifier. */
#include <string.h>
#include <strings.h>

#include "base/list.h"
#include "oauth/oauth.h"
#include "web/form.h"

#define HINT_LEN_MAX 256

/* The languages of Cognito's pages ("Localization", parameter lang). */
static const char *const languages[] = {"de", "en", "es",    "fr",    "id",   "it",
                                        "ja", "ko", "pt-BR", "zh-CN", "zh-TW"};

/* RFC 5646: the first of the user's languages that Cognito speaks, a region aside if need be. */
static const char *language_of(const char *tag, size_t len) {
    size_t primary = strcspn(tag, "-_ ");

    for (size_t i = 0; i < sizeof languages / sizeof *languages; i++)
        if (strlen(languages[i]) == len && !strncasecmp(languages[i], tag, len))
            return languages[i];
    for (size_t i = 0; i < sizeof languages / sizeof *languages; i++)
        if (strcspn(languages[i], "-") == primary && !strncasecmp(languages[i], tag, primary))
            return languages[i];
    return NULL;
}

static const char *language(const char *locales) {
    const char *found = NULL;

    for (const char *p = locales; *p && !found;) {
        size_t n = strcspn(p, " ");

        if (n)
            found = language_of(p, n);
        p += n;
        p += strspn(p, " ");
    }
    return found ? found : "";
}

/* Those values that Cognito knows. `consent` is not for it: our own page asks for that. */
static const char *prompts(struct arena *a, const char *asked) {
    static const char *const known[] = {"none", "login", "select_account"};
    struct buf b;

    buf_init(&b, a, HINT_LEN_MAX);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (list_has(asked, known[i]))
            buf_addf(&b, "%s%s", b.len ? " " : "", known[i]);
    return b.p;
}

/* A short text without control characters, "" if absent. */
static enum rc read_hint(const struct form *f, const char *name, const char **out, struct err *e) {
    const char *value = form_get(f, name);

    *out = value ? value : "";
    if (strlen(*out) > HINT_LEN_MAX)
        return err_set(e, ERR_INVALID_REQUEST, "%s is longer than %d bytes", name, HINT_LEN_MAX);
    for (const char *p = *out; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127)
            return err_set(e, ERR_INVALID_REQUEST, "%s has a control character", name);
    return OK;
}

enum rc login_parameters_read(struct arena *a, const struct form *f, struct login *out,
                              struct err *e) {
    const char *prompt, *locales;

    if (read_hint(f, "prompt", &prompt, e) || read_hint(f, "ui_locales", &locales, e) ||
        read_hint(f, "login_hint", &out->login_hint, e) ||
        read_hint(f, "identity_provider", &out->identity_provider, e) ||
        read_hint(f, "idp_identifier", &out->idp_identifier, e))
        return e->code;
    out->prompt = prompts(a, prompt);
    out->lang = language(locales);
    if (list_has(prompt, "none") && strchr(out->prompt, ' ')) /* OpenID Connect Core §3.1.2.1 */
        return err_set(e, ERR_INVALID_REQUEST, "prompt=none stands alone");
    return OK;
}

static void add(struct buf *uri, const char *name, const char *value) {
    url_add_param(uri, name, *value ? value : NULL);
}

/* OpenID Connect Core §11: without it a provider may leave offline_access out. */
static const char *prompt_of(const struct login *login, struct arena *a) {
    if (!list_has(login->scope, "offline_access") || !strcmp(login->prompt, "none"))
        return login->prompt;
    return arena_printf(a, "%s%sconsent", login->prompt, *login->prompt ? " " : "");
}

void login_parameters_add(struct buf *uri, const struct login *login) {
    add(uri, "prompt", prompt_of(login, uri->arena));
    add(uri, "lang", login->lang);
    add(uri, "login_hint", login->login_hint);
    add(uri, "identity_provider", login->identity_provider);
    add(uri, "idp_identifier", login->idp_identifier);
}
