/* A sealed text can be opened with the same keys, for the same purpose, unchanged, and in no
 * other case. */
#include "unit.h"

#include <sys/wait.h>

#include "base/encode.h"
#include "crypto/seal.h"

static const char key_a[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
static const char key_b[] = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8";

struct room {
    struct arena *a;
    char dir[UNIT_PATH_MAX], path[96];
    struct err e;
};

static int start(void **state) {
    struct room *r = calloc(1, sizeof *r);

    r->a = arena_new(UNIT_ARENA_BYTES);
    folder_make(r->dir);
    (void)snprintf(r->path, sizeof r->path, "%s/secret.key", r->dir);
    *state = r;
    return 0;
}

static int stop(void **state) {
    struct room *r = *state;

    (void)unlink(r->path);
    assert_int_equal(rmdir(r->dir), 0); /* and so nothing else was left behind */
    arena_free(r->a);
    free(r);
    return 0;
}

static struct seal_keys *keys_of(struct room *r, const char *text) {
    struct seal_keys *k = NULL;

    file_write(r->path, text, 0600);
    assert_int_equal(seal_keys_load(r->path, false, &k, &r->e), OK);
    return k;
}

static void is_refused(struct room *r, const char *text, const char *expected_detail) {
    struct seal_keys *k = NULL;

    file_write(r->path, text, 0600);
    assert_int_equal(seal_keys_load(r->path, true, &k, &r->e), ERR_MISCONFIGURED);
    assert_null(k);
    assert_non_null(strstr(r->e.detail, expected_detail));
    assert_null(strstr(r->e.text, "/"));
}

static void opens_to(struct room *r, const struct seal_keys *k, const char *text,
                     const char *expected, size_t expected_len) {
    const struct seal_binding b = {.keys = k, .purpose = "consent", .associated = "browser"};
    struct plaintext out = {NULL, 0};

    assert_int_equal(seal_open(r->a, &b, text, &out, &r->e), OK);
    assert_int_equal(out.len, expected_len);
    assert_memory_equal(out.data, expected, expected_len);
    assert_int_equal(out.data[out.len], 0);
}

static void does_not_open(struct room *r, const struct seal_keys *k, const char *purpose,
                          const char *associated, const char *text) {
    const struct seal_binding b = {.keys = k, .purpose = purpose, .associated = associated};
    struct plaintext out = {NULL, 0};

    memset(&r->e, 0, sizeof r->e);
    assert_int_equal(seal_open(r->a, &b, text, &out, &r->e), ERR_REFUSED);
    assert_string_equal(r->e.text, "not sealed by this server");
    assert_null(out.data);
}

static void what_is_sealed_opens(void **state) {
    struct room *r = *state;
    struct seal_keys *k = keys_of(r, key_a);
    char *big = arena_alloc(r->a, SEAL_DATA_MAX);

    opens_to(r, k,
             seal(r->a,
                  &(struct seal_binding){.keys = k, .purpose = "consent", .associated = "browser"},
                  "hello", 5),
             "hello", 5);
    opens_to(r, k,
             seal(r->a,
                  &(struct seal_binding){.keys = k, .purpose = "consent", .associated = "browser"},
                  "a\0b", 3),
             "a\0b", 3);
    opens_to(r, k,
             seal(r->a,
                  &(struct seal_binding){.keys = k, .purpose = "consent", .associated = "browser"},
                  "", 0),
             "", 0);
    opens_to(r, k,
             seal(r->a,
                  &(struct seal_binding){.keys = k, .purpose = "consent", .associated = "browser"},
                  NULL, 0),
             "", 0);
    arc4random_buf(big, SEAL_DATA_MAX);
    opens_to(r, k,
             seal(r->a,
                  &(struct seal_binding){.keys = k, .purpose = "consent", .associated = "browser"},
                  big, SEAL_DATA_MAX),
             big, SEAL_DATA_MAX);
    seal_keys_free(k);
}

/* Computed apart from this code (Python: hmac, hashlib, cryptography), so that a change of the
 * format does not go unseen: texts that were sealed before an upgrade must open after it. */
static void the_format_is_pinned(void **state) {
    struct room *r = *state;
    struct seal_keys *k = keys_of(r, key_a);
    static const char sealed[] =
        "AWMNzSlkZWZnaGlqa2xtbm9wcXJzdHV2d3h5enuvYeESE418dEVwwM8qAQx-vp24urI";

    opens_to(r, k, sealed, "hello", 5);
    seal_keys_free(k);
}

static void two_seals_of_one_text_differ(void **state) {
    struct room *r = *state;
    struct seal_keys *k = keys_of(r, key_a);

    assert_string_not_equal(
        seal(r->a, &(struct seal_binding){.keys = k, .purpose = "p", .associated = "x"}, "hello",
             5),
        seal(r->a, &(struct seal_binding){.keys = k, .purpose = "p", .associated = "x"}, "hello",
             5));
    seal_keys_free(k);
}

static void every_changed_byte_is_refused(void **state) {
    struct room *r = *state;
    struct seal_keys *k = keys_of(r, key_a);
    char *text =
        seal(r->a, &(struct seal_binding){.keys = k, .purpose = "consent", .associated = "browser"},
             "hello", 5);
    size_t len;
    uint8_t *bytes = base64url_decode(r->a, text, strlen(text), &len);

    assert_int_equal(len, 1 + 4 + 24 + 5 + 16);
    for (size_t i = 0; i < len * 8; i++) {
        bytes[i / 8] ^= (uint8_t)(1 << i % 8);
        does_not_open(r, k, "consent", "browser", base64url_encode(r->a, bytes, len));
        bytes[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    opens_to(r, k, text, "hello", 5);
    seal_keys_free(k);
}

static void every_cut_and_every_addition_is_refused(void **state) {
    struct room *r = *state;
    struct seal_keys *k = keys_of(r, key_a);
    char *text =
        seal(r->a, &(struct seal_binding){.keys = k, .purpose = "consent", .associated = "browser"},
             "hello", 5);

    for (size_t i = 0; i < strlen(text); i++)
        does_not_open(r, k, "consent", "browser", arena_strndup(r->a, text, i));
    does_not_open(r, k, "consent", "browser", arena_printf(r->a, "%sAAAA", text));
    does_not_open(r, k, "consent", "browser", arena_printf(r->a, "%s=", text));
    does_not_open(r, k, "consent", "browser", arena_printf(r->a, " %s", text));
    does_not_open(r, k, "consent", "browser", NULL);
    char *huge = arena_alloc(r->a, 200001);
    memset(huge, 'A', 200000);
    does_not_open(r, k, "consent", "browser", huge);
    seal_keys_free(k);
}

static void another_purpose_or_associated_text_is_refused(void **state) {
    struct room *r = *state;
    struct seal_keys *k = keys_of(r, key_a);
    char *text =
        seal(r->a, &(struct seal_binding){.keys = k, .purpose = "consent", .associated = "browser"},
             "hello", 5);

    does_not_open(r, k, "refresh", "browser", text);
    does_not_open(r, k, "consent", "another", text);
    does_not_open(r, k, "consent", "", text);
    does_not_open(r, k, "consent", NULL, text);
    does_not_open(r, k, "consentb", "rowser", text);
    does_not_open(r, k, "", "consentbrowser", text);
    seal_keys_free(k);
}

static void a_new_key_seals_and_the_old_one_still_opens(void **state) {
    struct room *r = *state;
    struct seal_keys *before = keys_of(r, key_a);
    char *old = seal(
        r->a, &(struct seal_binding){.keys = before, .purpose = "consent", .associated = "browser"},
        "old", 3);
    struct seal_keys *both =
        keys_of(r, arena_printf(r->a, "# the new one\n %s\t\r\n\n%s", key_b, key_a));
    char *new = seal(
        r->a, &(struct seal_binding){.keys = both, .purpose = "consent", .associated = "browser"},
        "new", 3);
    struct seal_keys *after = keys_of(r, arena_printf(r->a, "\xef\xbb\xbf%s", key_b));

    opens_to(r, both, old, "old", 3);
    opens_to(r, both, new, "new", 3);
    opens_to(r, after, new, "new", 3);
    does_not_open(r, after, "consent", "browser", old);
    does_not_open(r, before, "consent", "browser", new);
    seal_keys_free(before);
    seal_keys_free(both);
    seal_keys_free(after);
}

static void a_key_without_a_file(void **state) {
    struct room *r = *state;
    struct seal_keys *k = seal_keys_new(), *other = seal_keys_new();
    const struct seal_binding b = {.keys = k, .purpose = "consent", .associated = "browser"};
    char *text = seal(r->a, &b, "code", 4);

    opens_to(r, k, text, "code", 4);
    does_not_open(r, other, "consent", "browser", text);
    seal_keys_free(k);
    seal_keys_free(other);
}

static void a_key_by_value(void **state) {
    struct room *r = *state;
    struct seal_keys *k = keys_of(r, key_a);
    uint8_t key[SEAL_KEY_LEN], other[SEAL_KEY_LEN];
    const struct seal_binding right = {.key = key, .purpose = "grant", .associated = "session"};
    const struct seal_binding wrong[] = {
        {.key = other, .purpose = "grant", .associated = "session"},
        {.key = key, .purpose = "grant", .associated = "another"},
        {.key = key, .purpose = "grants", .associated = "session"},
    };
    struct plaintext out = {NULL, 0};
    size_t len;

    arc4random_buf(key, sizeof key);
    arc4random_buf(other, sizeof other);
    char *text = seal(r->a, &right, "code", 4);
    assert_int_equal(seal_open(r->a, &right, text, &out, &r->e), OK);
    assert_string_equal(out.data, "code");
    out.data = NULL;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(seal_open(r->a, &wrong[i], text, &out, &r->e), ERR_REFUSED);
    assert_null(out.data);
    does_not_open(r, k, "grant", "session", text);
    /* A text sealed by a key of a file does not open by the same key given by value. */
    const struct seal_binding file = {.keys = k, .purpose = "grant", .associated = "session"};
    const struct seal_binding raw = {.key = base64url_decode(r->a, key_a, strlen(key_a), &len),
                                     .purpose = "grant",
                                     .associated = "session"};
    text = seal(r->a, &file, "code", 4);
    assert_int_equal(seal_open(r->a, &raw, text, &out, &r->e), ERR_REFUSED);
    seal_keys_free(k);
}

static void a_key_file_is_made_only_if_asked_for(void **state) {
    struct room *r = *state;
    struct seal_keys *k = NULL;
    struct stat st;

    assert_int_equal(seal_keys_load(r->path, false, &k, &r->e), ERR_MISCONFIGURED);
    assert_null(k);
    mode_t mask = umask(0);
    assert_int_equal(seal_keys_load(r->path, true, &k, &r->e), OK);
    (void)umask(mask);
    assert_int_equal(stat(r->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_nlink, 1);
    char *text =
        seal(r->a, &(struct seal_binding){.keys = k, .purpose = "consent", .associated = "browser"},
             "hello", 5);
    seal_keys_free(k);
    assert_int_equal(seal_keys_load(r->path, true, &k, &r->e), OK);
    opens_to(r, k, text, "hello", 5);
    seal_keys_free(k);
}

static void a_key_file_that_cannot_be_made(void **state) {
    struct room *r = *state;
    struct seal_keys *k = NULL;
    char *path = arena_printf(r->a, "%s/none/secret.key", r->dir);

    assert_int_equal(seal_keys_load(path, true, &k, &r->e), ERR_MISCONFIGURED);
    assert_non_null(strstr(r->e.detail, "No such file"));
    assert_int_equal(seal_keys_load(r->dir, true, &k, &r->e), ERR_MISCONFIGURED);
    assert_non_null(strstr(r->e.detail, "not a regular file"));
}

static void a_key_file_that_others_can_read_is_refused(void **state) {
    struct room *r = *state;
    struct seal_keys *k = NULL;
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610, 0601};

    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        file_write(r->path, key_a, modes[i]);
        assert_int_equal(seal_keys_load(r->path, true, &k, &r->e), ERR_MISCONFIGURED);
        assert_non_null(strstr(r->e.detail, "chmod 600"));
    }
    file_write(r->path, key_a, 0400);
    assert_int_equal(seal_keys_load(r->path, true, &k, &r->e), OK);
    seal_keys_free(k);
}

static void a_credential_of_systemd_may_have_a_mask(void **state) {
    struct room *r = *state;
    struct seal_keys *k = NULL;

    file_write(r->path, key_a, 0440);
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", r->dir, 1), 0);
    assert_int_equal(seal_keys_load(r->path, false, &k, &r->e), OK);
    seal_keys_free(k);
    file_write(r->path, key_a, 0644);
    assert_int_equal(seal_keys_load(r->path, false, &k, &r->e), ERR_MISCONFIGURED);
    /* Not a folder beside it, nor one above it. */
    file_write(r->path, key_a, 0440);
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY",
                            arena_printf(r->a, "%.*s", (int)strlen(r->dir) - 1, r->dir), 1),
                     0);
    assert_int_equal(seal_keys_load(r->path, false, &k, &r->e), ERR_MISCONFIGURED);
    *strrchr(r->dir, '/') = 0;
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", r->dir, 1), 0);
    r->dir[strlen(r->dir)] = '/';
    assert_int_equal(seal_keys_load(r->path, false, &k, &r->e), ERR_MISCONFIGURED);
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    assert_int_equal(seal_keys_load(r->path, false, &k, &r->e), ERR_MISCONFIGURED);
}

static void a_wrong_key_file_is_refused_with_what_to_do(void **state) {
    struct room *r = *state;
    char *many = arena_strdup(r->a, "");

    is_refused(r, "", "no key");
    is_refused(r, "# nothing\n\n", "no key");
    is_refused(r, "c2hvcnQ\n", "line 1 is not base64url of 32 bytes; make a key with: head");
    is_refused(r, "# x\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", "line 2");
    is_refused(r, arena_printf(r->a, "%s %s\n", key_a, key_b), "line 1");
    is_refused(r, arena_printf(r->a, "%s # mine\n", key_a), "line 1");
    for (int i = 0; i <= SEAL_KEYS_MAX; i++)
        many = arena_printf(r->a, "%s%s\n", many, key_a);
    is_refused(r, many, "more than 8 keys");
    char *huge = arena_alloc(r->a, 5001);
    memset(huge, '#', 5000);
    is_refused(r, huge, "too long");
}

/* Sixteen at once, round after round: each must end with the key that is in the file. */
static void processes_that_start_at_once_have_one_key(void **state) {
    struct room *r = *state;
    enum { PROCESSES = 16, ROUNDS = 10 };

    for (int round = 0; round < ROUNDS; round++) {
        int go[2], results[2];
        assert_int_equal(pipe(go) | pipe(results), 0);
        for (int i = 0; i < PROCESSES; i++)
            if (fork() == 0) {
                struct seal_keys *k = NULL;
                char *text = arena_alloc(r->a, 256), byte;
                close(go[1]);
                ssize_t n = read(go[0], &byte, 1); /* until the other end closes: all start then */
                if (n == 0 && seal_keys_load(r->path, true, &k, &r->e) == OK)
                    strcpy(text, seal(r->a,
                                      &(struct seal_binding){
                                          .keys = k, .purpose = "consent", .associated = "browser"},
                                      "hello", 5));
                n = write(results[1], text, 256);
                _exit(n == 256 ? 0 : 1);
            }
        close(go[0]);
        close(go[1]);
        close(results[1]);
        char texts[PROCESSES][256];
        for (int i = 0; i < PROCESSES; i++)
            assert_int_equal(read(results[0], texts[i], 256), 256);
        close(results[0]);
        while (wait(NULL) > 0)
            ;
        struct seal_keys *k = NULL;
        assert_int_equal(seal_keys_load(r->path, false, &k, &r->e), OK);
        for (int i = 0; i < PROCESSES; i++)
            opens_to(r, k, texts[i], "hello", 5);
        seal_keys_free(k);
        assert_int_equal(unlink(r->path), 0);
    }
}

#define IN_A_ROOM(test) cmocka_unit_test_setup_teardown(test, start, stop)

/* A service of one group of endpoints keeps what it needs. */
static void keys_can_be_kept_for_some_purposes(void **state) {
    static const char *const purposes[] = {"consent", "session", NULL}, *const none[] = {NULL};
    struct room *r = *state;
    const char *file = arena_printf(r->a, "%s\n%s\n", key_a, key_b);
    struct seal_keys *whole = keys_of(r, file), *kept = keys_of(r, file);
    struct seal_keys *second = keys_of(r, key_b);
    size_t len;
    const uint8_t *first_key = base64url_decode(r->a, key_a, strlen(key_a), &len);

    assert_non_null(memmem(whole, sizeof *whole, first_key, len));
    seal_keys_keep(kept, purposes);
    for (int i = 0; i < SEAL_KEYS_MAX; i++)
        assert_null(memmem(kept, sizeof *kept, first_key, len));
    opens_to(
        r, kept,
        seal(r->a,
             &(struct seal_binding){.keys = whole, .purpose = "consent", .associated = "browser"},
             "hello", 5),
        "hello", 5);
    opens_to(
        r, whole,
        seal(r->a,
             &(struct seal_binding){.keys = kept, .purpose = "consent", .associated = "browser"},
             "hello", 5),
        "hello", 5);
    opens_to(
        r, kept,
        seal(r->a,
             &(struct seal_binding){.keys = second, .purpose = "consent", .associated = "browser"},
             "hello", 5),
        "hello", 5);
    does_not_open(
        r, kept, "refresh", "browser",
        seal(r->a,
             &(struct seal_binding){.keys = whole, .purpose = "refresh", .associated = "browser"},
             "hello", 5));
    seal_keys_keep(second, none);
    does_not_open(
        r, second, "consent", "browser",
        seal(r->a,
             &(struct seal_binding){.keys = whole, .purpose = "consent", .associated = "browser"},
             "hello", 5));
    seal_keys_free(whole);
    seal_keys_free(kept);
    seal_keys_free(second);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_ROOM(what_is_sealed_opens),
        IN_A_ROOM(the_format_is_pinned),
        IN_A_ROOM(two_seals_of_one_text_differ),
        IN_A_ROOM(every_changed_byte_is_refused),
        IN_A_ROOM(every_cut_and_every_addition_is_refused),
        IN_A_ROOM(another_purpose_or_associated_text_is_refused),
        IN_A_ROOM(a_new_key_seals_and_the_old_one_still_opens),
        IN_A_ROOM(a_key_without_a_file),
        IN_A_ROOM(a_key_by_value),
        IN_A_ROOM(a_key_file_is_made_only_if_asked_for),
        IN_A_ROOM(a_key_file_that_cannot_be_made),
        IN_A_ROOM(a_key_file_that_others_can_read_is_refused),
        IN_A_ROOM(a_credential_of_systemd_may_have_a_mask),
        IN_A_ROOM(a_wrong_key_file_is_refused_with_what_to_do),
        IN_A_ROOM(processes_that_start_at_once_have_one_key),
        IN_A_ROOM(keys_can_be_kept_for_some_purposes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
