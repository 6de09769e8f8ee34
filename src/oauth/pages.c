/* What a user sees. One plain page, readable on a phone, in light and dark, without scripts. */
#include <string.h>

#include "oauth/oauth.h"
#include "web/html.h"
#include "web/page.h"

/* Scopes in words; one that is not here is shown as it is. */
static const char *scope_words(const char *scope) {
    static const struct {
        const char *scope, *words;
    } known[] = {{"openid", "Know who you are"},
                 {"email", "See your e-mail address"},
                 {"profile", "See your name and profile"},
                 {"phone", "See your phone number"},
                 {"mcp-server/tools", "Use this server's tools in your name"}};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].scope, scope))
            return known[i].words;
    return NULL;
}

static void add_scopes(struct arena *a, struct buf *b, const char *scopes) {
    char *copy = arena_strdup(a, scopes), *save = NULL;

    buf_adds(b, "<ul>");
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        const char *words = scope_words(w);

        buf_adds(b, "<li>");
        html_text(b, words ? words : w);
        if (words) {
            buf_adds(b, " <code>");
            html_text(b, w);
            buf_adds(b, "</code>");
        }
        buf_adds(b, "</li>");
    }
    buf_adds(b, "</ul>");
}

/* Where the answer goes, as a person can judge it: the host, or the scheme of an app. */
static void add_destination(struct arena *a, struct buf *b, const char *redirect_uri) {
    struct url u;
    struct err e;

    if (url_parse(a, redirect_uri, &u, &e))
        return;
    buf_adds(b, "<p>The answer goes to <strong>");
    html_text(b, u.host && *u.host ? u.host : u.scheme);
    buf_adds(b, "</strong>.</p>");
    /* MCP authorization, "Localhost Redirect URI Risks": such a client cannot be told from another
     * program on the same computer. */
    if (url_is_loopback(&u))
        buf_adds(b, "<p class=\"note\">That is a program on the computer you are using. Go on only "
                    "if you have just started the login in it.</p>");
}

void page_consent(struct context *cx, struct reply *rp, const struct login *login,
                  const char *sealed) {
    struct buf b;

    page_begin(&b, rp->arena, "Allow access?");
    buf_adds(&b, "<p><strong>");
    /* The host first: it is checked. The name is only what the client says of itself. */
    html_text(&b, *login->client_host ? login->client_host : login->client_id);
    buf_adds(&b, "</strong> (it calls itself \xe2\x80\x9c");
    html_text(&b, login->client_name);
    buf_adds(&b, "\xe2\x80\x9d) asks for access to <strong>");
    html_text(&b, cx->config->mcp_server_uri);
    buf_adds(&b, "</strong>. It wants to:</p>");
    add_scopes(rp->arena, &b, login->scope);
    add_destination(rp->arena, &b, login->redirect_uri);
    buf_adds(&b, "<form method=\"post\" action=\"");
    html_text(&b, cx->config->auth_path);
    buf_adds(&b, "/authorize\"><input type=\"hidden\" name=\"request\" value=\"");
    html_text(&b, sealed);
    buf_adds(&b, "\"><p class=\"buttons\">"
                 "<button name=\"decision\" value=\"approve\">Allow</button> "
                 "<button name=\"decision\" value=\"deny\" class=\"second\">Deny</button>"
                 "</p></form>");
    page_end(&b, rp, 200, "'self'");
}

void page_continue(struct context *cx, struct reply *rp, const char *uri) {
    struct buf b, head;

    (void)cx;
    buf_init(&head, rp->arena, PAGE_BYTES_MAX);
    buf_adds(&head, "<meta http-equiv=\"refresh\" content=\"0; url=");
    html_text(&head, uri);
    buf_adds(&head, "\">");
    page_begin_with(&b, rp->arena, "One moment", head.p);
    buf_adds(&b, "<p>If nothing happens, <a href=\"");
    html_text(&b, uri);
    buf_adds(&b, "\">continue</a>.</p>");
    page_end(&b, rp, 200, "'none'");
}
