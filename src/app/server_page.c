#include "app/server_page.h"

#include "base/encode.h"
#include "base/json.h"
#include "base/text.h"
#include "base/url.h"
#include "config/config.h"
#include "mcp/endpoint.h"
#include "oauth/site.h"
#include "pages/page.h"

/* A client asks for text/event-stream and has a token; nobody types one. */
static bool is_browser(const struct request *rq) {
    const char *accept = request_header(rq, "accept");

    return accept && strstr(accept, "text/html") && !request_header(rq, "authorization");
}

/* {"name": NAME, "type": "http", "url": URL}; without a name, {"url": URL}. */
static struct text client_configuration(struct arena *a, const struct config *c, bool named) {
    struct json *o = json_new_object(a);

    if (named) {
        json_put_str(o, "name", c->server.name);
        json_put_str(o, "type", "http");
    }
    json_put_str(o, "url", c->mcp_server_uri);
    return json_as_text(a, o);
}

static const char *vscode_link(struct arena *a, const struct config *c) {
    const struct text t = client_configuration(a, c, true);
    struct buf b;

    buf_init(&b, a, 3 * t.len + sizeof "vscode:mcp/install?");
    buf_adds(&b, "vscode:mcp/install?");
    url_encode_bytes(&b, t.p, t.len, 0);
    return b.p;
}

static const char *cursor_link(struct arena *a, const struct config *c) {
    static const char before[] = "cursor://anysphere.cursor-deeplink/mcp/install?name=";
    const struct text t = client_configuration(a, c, false);
    const char *encoded = base64_encode(a, t.p, t.len);
    struct buf b;

    buf_init(&b, a, sizeof before + strlen(c->server.name) + 3 * strlen(encoded) + 10);
    buf_addf(&b, "%s%s&config=", before, c->server.name);
    url_encode(&b, encoded); /* it has + and = */
    return b.p;
}

enum rc server_page_or_stream(struct exchange *x, struct err *e) {
    const struct config *c = x->site->config;
    struct arena *a = x->rp->arena;

    if (!is_browser(x->rq))
        return mcp_get(x, e);
    const struct template_value values[] = {
        {"server_name", c->server.name},
        {"server_title", c->server.label},
        {"server_uri", c->mcp_server_uri},
        {"server_icon", c->server.icon[0]},
        {"server_icon_dark", c->server.icon[1]},
        {"website", c->server.website},
        {"documentation", c->server.documentation},
        {"policy", c->server.policy},
        {"terms", c->server.terms},
        {"vscode_link", vscode_link(a, c)},
        {"cursor_link", cursor_link(a, c)},
        {NULL, NULL},
    };
    page_reply(x->site->oauth->pages, x->rq, x->rp,
               &(struct page_content){.page = PAGE_SERVER,
                                      .status = 200,
                                      .values = values,
                                      .form_action = "'none'",
                                      .images = c->server.icon_sources,
                                      .scripts = true});
    return OK;
}
