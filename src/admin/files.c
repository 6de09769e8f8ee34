/* Private part of site.h: writes and renames the files of sites. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/site.h"
#include "app/site_set.h"
#include "base/file.h"
#include "base/text.h"

#define FILE_BYTES_MAX (1 << 20)
#define FOLDER_MODE 0755

static int failed(const char *path) {
    (void)fprintf(stderr, "mcp-authd site: %s: %s\n", path, strerror(errno));
    return EXIT_WRONG;
}

/* Gives a file another name that nothing has. */
static bool rename_free(const char *from, const char *to) {
    return !link(from, to) && !unlink(from);
}

/* ---- a new file ---- */

/* As the reader takes it (config/read.c): quoted where a comment, a blank or a quote would be read
 * otherwise. NULL: it cannot be written. */
static const char *quoted(struct arena *a, const char *value) {
    for (const char *p = value; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return NULL;
    if (!*value || !value[strcspn(value, " #\"'`")])
        return value;
    if (!strchr(value, '"'))
        return arena_printf(a, "\"%s\"", value);
    return strchr(value, '\'') ? NULL : arena_printf(a, "'%s'", value);
}

/* Would it be one line that gives this key? Whether there is such a key, the reader says. */
static bool is_writable(struct arena *a, const char *key, const char *quoted_value) {
    const size_t len = strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

    if (!len || key[len])
        (void)fprintf(stderr,
                      "mcp-authd site add: \"%s\": a KEY has capital letters, digits and \"_\"\n",
                      text_quotable(a, key));
    else if (!quoted_value)
        (void)fprintf(stderr,
                      "mcp-authd site add: the value of %s has control characters, such as a "
                      "newline, or both kinds of quotes\n",
                      key);
    else
        return true;
    return false;
}

/* NULL: it has said why. */
static const char *make_text(const struct site_job *j) {
    struct buf b;

    buf_init(&b, j->arena, FILE_BYTES_MAX);
    buf_addf(&b,
             "# The site %s. What it leaves out comes from %s.\n"
             "# After a change: mcp-authd site check %s && systemctl reload mcp-authd\n",
             j->name, j->config_path, j->name);
    for (unsigned i = 0; i < j->value_count; i++) {
        const char *value = quoted(j->arena, j->values[i].value);

        if (!is_writable(j->arena, j->values[i].key, value))
            return NULL;
        buf_addf(&b, "%s=%s\n", j->values[i].key, value);
    }
    return b.p;
}

/* As mcp-authd.conf, which the service can read. Only root can give a file away. */
static bool set_owner(const struct site_job *j, int fd) {
    struct stat st;

    if (stat(j->config_path, &st))
        return !fchmod(fd, 0644);
    return (!fchown(fd, st.st_uid, st.st_gid) || geteuid()) && !fchmod(fd, st.st_mode & 0666);
}

/* The path of a file with this text that is not read as a site; NULL: it has said why. */
static char *write_hidden(const struct site_job *j, const char *text) {
    char *path = arena_printf(j->arena, "%s/.%s.XXXXXX", j->dir, j->name);
    int fd = mkostemp(path, O_CLOEXEC), why;
    bool good;

    if (fd < 0) {
        (void)failed(j->dir);
        return NULL;
    }
    good = file_write_all(fd, text, strlen(text), -1) && set_owner(j, fd) && !fsync(fd);
    why = errno;
    (void)close(fd);
    if (good)
        return path;
    (void)unlink(path);
    errno = why;
    (void)failed(path);
    return NULL;
}

static const char *value_of(const struct site_job *j, const char *key) {
    for (unsigned i = 0; i < j->value_count; i++)
        if (!strcmp(j->values[i].key, key))
            return j->values[i].value;
    return NULL;
}

/* The folder of the site's own tools, for its user, if it is not there. It may lie in a folder of
 * that user, so it is the folder that was made which is given away, and not its name. */
static bool make_tools_dir(const char *path, const char *user, bool *made) {
    const struct passwd *p = user ? getpwnam(user) : NULL;
    bool good;
    int fd;

    *made = !mkdir(path, FOLDER_MODE);
    if (!*made && errno == EEXIST)
        return true;
    fd = *made ? open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    good = fd >= 0 && !fchmod(fd, FOLDER_MODE) &&
           (!p || geteuid() || !fchown(fd, p->pw_uid, p->pw_gid));
    if (!good)
        (void)fprintf(stderr, "mcp-authd site: %s cannot be made: %s: nothing was changed\n", path,
                      strerror(errno));
    descriptor_close(fd);
    return good;
}

static void print_next_steps(const struct site_job *j, const struct config *c,
                             const struct config *host) {
    (void)printf("%s\n", site_path(j, true));
    (void)printf("Callback URL of the app client %s: %s\n", c->idp.client_id, c->callback_uri);
    (void)printf("Its tools: %s%s\n", c->tools_dir,
                 strcmp(c->tools_dir, host->tools_dir) != 0
                     ? ""
                     : " (of mcp-authd.conf; TOOLS_DIR in its file gives it its own)");
    if (*c->run_user)
        (void)printf("Its programs run as %s: systemctl enable --now mcp-authd-runner@%s.socket\n",
                     c->run_user, c->run_user);
    (void)printf("Serve it: systemctl reload mcp-authd\n"
                 "Then: mcp-authd doctor --site %s\n",
                 j->name);
}

/* Puts a file that is right in its place. */
static int put_in_place(const struct site_job *j, const char *file) {
    struct site_set *set;
    int status = site_check_file(j, file, &set);

    if (status == EXIT_WRONG) {
        (void)fprintf(stderr, "mcp-authd site: %s is not right: nothing was changed\n", j->name);
    } else if (!rename_free(file, site_path(j, true))) {
        status = failed(site_path(j, true));
    } else {
        print_next_steps(j, config_sites_find(set->config, j->name)->config, set->config->host);
        status = EXIT_SUCCESS; /* what is left out of it has been said */
    }
    site_set_free(set);
    return status;
}

static bool is_there(const char *path) {
    struct stat st;

    return !lstat(path, &st);
}

static bool is_new(const struct site_job *j) {
    if (is_there(site_path(j, true)))
        (void)fprintf(stderr, "mcp-authd site add: %s is there already\n", site_path(j, true));
    else if (is_there(site_path(j, false)))
        (void)fprintf(stderr, "mcp-authd site add: %s is there: mcp-authd site enable %s\n",
                      site_path(j, false), j->name);
    else
        return true;
    return false;
}

int site_add(const struct site_job *j) {
    const char *tools = value_of(j, "TOOLS_DIR"), *text = make_text(j);
    bool made_folder = mkdir(j->dir, FOLDER_MODE) == 0, made_tools = false;
    int status = EXIT_WRONG;
    char *file;

    if (!value_of(j, "MCP_SERVER_URI")) {
        (void)fputs("mcp-authd site add needs --uri, the site's MCP_SERVER_URI\n", stderr);
        text = NULL;
    }
    file = text && is_new(j) ? write_hidden(j, text) : NULL;
    if (!file) {
        if (made_folder)
            (void)rmdir(j->dir);
        return EXIT_WRONG;
    }
    if (!tools || !*tools || make_tools_dir(tools, value_of(j, "RUN_USER"), &made_tools))
        status = put_in_place(j, file);
    if (status == EXIT_WRONG) {
        (void)unlink(file);
        if (made_tools)
            (void)rmdir(tools);
        if (made_folder)
            (void)rmdir(j->dir);
    }
    return status;
}

/* ---- on and off ---- */

int site_enable(const struct site_job *j) {
    const char *file = site_path(j, false);

    if (is_there(file) && !is_there(site_path(j, true)))
        return put_in_place(j, file);
    (void)fprintf(stderr, "mcp-authd site enable: %s %s\n",
                  is_there(site_path(j, true)) ? site_path(j, true) : file,
                  is_there(site_path(j, true)) ? "is there already" : "is not there");
    return EXIT_WRONG;
}

int site_disable(const struct site_job *j) {
    const char *from = site_path(j, true), *to = site_path(j, false);

    if (!rename_free(from, to))
        return failed(errno == EEXIST ? to : from);
    (void)printf("%s\nServe it no more: systemctl reload mcp-authd\n", to);
    return EXIT_SUCCESS;
}
