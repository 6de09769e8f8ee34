#include "net/trust.h"

#include <gnutls/x509.h>
#include <unistd.h>

#include "base/file.h"

/* Of Debian's package ca-certificates: an authority that an admin has removed is in neither, and
 * one that an admin has added is in both. */
#define SYSTEM_FOLDER "/etc/ssl/certs"
#define SYSTEM_FILE SYSTEM_FOLDER "/ca-certificates.crt"

/* "Amazon Trust Services" repository. Older chains end at the last. */
static const char *const amazon_roots[] = {
    SYSTEM_FOLDER "/Amazon_Root_CA_1.pem", SYSTEM_FOLDER "/Amazon_Root_CA_2.pem",
    SYSTEM_FOLDER "/Amazon_Root_CA_3.pem", SYSTEM_FOLDER "/Amazon_Root_CA_4.pem",
    SYSTEM_FOLDER "/Starfield_Services_Root_Certificate_Authority_-_G2.pem"};

static bool append(int to, const char *path) {
    struct arena *a = arena_new(2 * TRUST_FILE_MAX);
    struct err ignored = {0};
    struct text pem;
    bool ok = !file_read(a, path, TRUST_FILE_MAX, &pem, &ignored) && pem.len &&
              file_write_all(to, pem.p, pem.len, -1) && file_write_all(to, "\n", 1, -1);

    arena_free(a);
    return ok;
}

/* The path of a copy of the files, of which `least` must be readable; NULL if they are not. */
static const char *copy_files(struct trust_copy *copy, const char *const *paths, size_t count,
                              size_t least) {
    size_t copied = 0;

    copy->fd = file_in_memory("authorities", 0);
    for (size_t i = 0; copy->fd >= 0 && i < count; i++)
        copied += append(copy->fd, paths[i]);
    if (copied < least)
        return NULL;
    (void)snprintf(copy->path, sizeof copy->path, "/proc/self/fd/%d", copy->fd);
    return access(copy->path, R_OK) ? NULL : copy->path;
}

void trust_open(struct trust *t, const char *file, const char *added) {
    const char *const both[] = {SYSTEM_FILE, added};

    *t = (struct trust){.all.fd = -1, .amazon_all.fd = -1};
    if (*file) {
        t->file = file;
    } else if (*added) {
        t->file = copy_files(&t->all, both, 2, 2);
        if (!t->file) {
            t->file = added;
            t->folder = SYSTEM_FOLDER;
        }
    } else {
        t->file = access(SYSTEM_FILE, R_OK) ? NULL : SYSTEM_FILE;
        t->folder = t->file ? NULL : SYSTEM_FOLDER;
        t->amazon =
            copy_files(&t->amazon_all, amazon_roots, sizeof amazon_roots / sizeof *amazon_roots, 1);
    }
}

static void close_copy(struct trust_copy *copy) {
    if (copy->fd >= 0)
        (void)close(copy->fd);
    copy->fd = -1;
}

void trust_close(struct trust *t) {
    close_copy(&t->all);
    close_copy(&t->amazon_all);
}

void trust_release(void *tls) {
    gnutls_certificate_credentials_t credentials = NULL;
    gnutls_x509_trust_list_t nobody;

    if (gnutls_credentials_get(tls, GNUTLS_CRD_CERTIFICATE, (void **)&credentials) ||
        gnutls_x509_trust_list_init(&nobody, 1))
        return;
    gnutls_certificate_set_trust_list(credentials, nobody, 0); /* frees the one before */
}
