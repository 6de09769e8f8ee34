/* What OAuth alone uses of a site. */
#pragma once

struct client_set;
struct concurrency_limit;
struct http_client;
struct page_set;
struct store;

struct oauth_site {
    struct store *store;         /* login sessions */
    struct client_set *clients;  /* CLIENTS_DIR */
    struct page_set *pages;      /* TEMPLATES_DIR; NULL: the built-in ones */
    struct http_client *guarded; /* to hosts of client documents, never to private addresses */
    struct concurrency_limit *document_limit; /* of workers that wait for a client document */
};
