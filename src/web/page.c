#include "web/page.h"

#include "web/html.h"

static const char style[] =
    ":root{color-scheme:light dark;--line:#8886;--soft:#8882;--go:#1a5fb4}"
    "*{box-sizing:border-box}"
    "body{font:1rem/1.5 system-ui,sans-serif;margin:0;padding:1rem;display:flex;"
    "min-height:100vh;align-items:center;justify-content:center}"
    "main{width:100%;max-width:30rem;border:1px solid var(--line);border-radius:.75rem;"
    "padding:1.5rem;overflow-wrap:anywhere}"
    "h1{font-size:1.4rem;margin:0 0 1rem}"
    "code{font-size:.85em;background:var(--soft);border-radius:.25rem;padding:.1em .3em}"
    ".note{background:var(--soft);border-left:.25rem solid #e5a50a;padding:.5rem .75rem}"
    ".buttons{display:flex;gap:.75rem;margin:1.5rem 0 0}"
    "button{flex:1;font:inherit;padding:.6rem 1rem;border-radius:.5rem;cursor:pointer;"
    "border:1px solid var(--go);background:var(--go);color:#fff}"
    "button.second{background:transparent;border-color:var(--line);color:inherit}"
    "button:focus-visible,a:focus-visible{outline:.2rem solid #62a0ea;outline-offset:.15rem}"
    "small{opacity:.8}";

void page_begin_with(struct buf *b, struct arena *a, const char *title, const char *head) {
    buf_init(b, a, PAGE_BYTES_MAX);
    buf_adds(b, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
                "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>");
    html_text(b, title);
    buf_adds(b, "</title>");
    buf_adds(b, head);
    buf_addf(b, "<style>%s</style></head><body><main><h1>", style);
    html_text(b, title);
    buf_adds(b, "</h1>");
}

void page_begin(struct buf *b, struct arena *a, const char *title) {
    page_begin_with(b, a, title, "");
}

void page_end(struct buf *b, struct reply *rp, int status, const char *form_action) {
    buf_adds(b, "</main></body></html>");
    reply_html(rp, status, b->p, b->len, form_action);
}

void page_error(struct reply *rp, int status, const char *text, const char *id) {
    struct buf b;

    page_begin(&b, rp->arena, "This did not work");
    buf_adds(&b, "<p>");
    html_text(&b, text);
    buf_adds(&b, ".</p><p>Go back to your MCP client and start the login again. If it keeps "
                 "failing, tell the operator of this server the number below.</p><p><small>"
                 "Request <code>");
    html_text(&b, id);
    buf_adds(&b, "</code></small></p>");
    page_end(&b, rp, status, "'none'");
}
