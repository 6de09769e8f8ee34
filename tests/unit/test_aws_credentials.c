/* Each source of AWS credentials against a local imitation of its endpoint, and the chain: order,
 * expiry, outage. The link-local addresses of AWS are real in the code: connect() below leads them
 * to the server of this test. */
#include "unit.h"

#include "loopback.h"

#include <sys/syscall.h>
#include <time.h>

#include "aws/credentials.h"
#include "aws/endpoint.h"
#include "aws/xml.h"
#include "base/log.h"

#define NOW 1800000000 /* 2027-01-15T08:00:00Z */
#define TRIES 3        /* to be quick, on a machine that may pause */
#define KEYS(id, token, expiration)                                                                \
    "{\"Code\":\"Success\",\"AccessKeyId\":\"" id "\",\"SecretAccessKey\":\"s3cret/+\","           \
    "\"Token\":\"" token "\",\"Expiration\":\"" expiration "\"}"

static struct loopback *server;
static struct http_client *http;
static struct clock now;
static struct arena *a;
static char folder[UNIT_PATH_MAX];
static char connected_to[INET6_ADDRSTRLEN]; /* the last address that is none of this host */

__attribute__((visibility("default"))) int connect(int fd, const struct sockaddr *to,
                                                   socklen_t len);

int connect(int fd, const struct sockaddr *to, socklen_t len) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sockaddr_in *four = (const struct sockaddr_in *)to;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)to;

    if (to->sa_family == AF_INET && ntohl(four->sin_addr.s_addr) >> 16 == 0xa9fe) {
        inet_ntop(AF_INET, &four->sin_addr, connected_to, sizeof connected_to);
        assert_int_equal(ntohs(four->sin_port), 80);
        here.sin_port = htons((uint16_t)server->port);
        to = (const struct sockaddr *)&here;
        len = sizeof here;
    } else if (to->sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &six->sin6_addr, connected_to, sizeof connected_to);
        errno = ENETUNREACH;
        return -1;
    }
    return (int)syscall(SYS_connect, fd, to, len);
}

/* ---- helpers ---- */

static int start(void **state) {
    const struct http_options options = {.proxy = ""};
    struct err e = {0};

    (void)state;
    assert_int_equal(http_client_new(&options, &http, &e), OK);
    a = arena_new(64 << 20);
    now.fixed_s = NOW;
    *connected_to = 0;
    loopback_reset(server);
    folder_make(folder);
    return 0;
}

static int stop(void **state) {
    (void)state;
    http_client_free(http);
    folder_remove(folder);
    arena_free(a);
    return 0;
}

static const char *file(const char *name, const char *text) {
    const char *path = arena_printf(a, "%s/%s", folder, name);

    file_write(path, text, 0600);
    return path;
}

static const char *in_folder(const char *variable, const char *name) {
    return arena_printf(a, "%s=%s/%s", variable, folder, name);
}

static const char *at_server(const char *variable, const char *path) {
    return arena_printf(a, "%s=http://127.0.0.1:%d%s", variable, server->port, path);
}

#define ENV(...) (&(const struct aws_env){(const char *const[]){__VA_ARGS__, NULL}})
#define NO_IMDS "AWS_EC2_METADATA_DISABLED=true"

static struct aws_credentials_source *source(const struct aws_env *env, const char *name) {
    struct aws_credentials_source *s = NULL;
    struct err e = {0};

    assert_int_equal(aws_credentials_new(
                         &(struct aws_credentials_options){env, "eu-west-1", http, &now}, &s, &e),
                     OK);
    assert_string_equal(aws_credentials_source_name(s), name);
    assert_int_equal(server->request_count, 0);
    return s;
}

static void no_source(const struct aws_env *env, const char *why) {
    struct aws_credentials_source *s;
    struct err e = {0};

    assert_int_equal(aws_credentials_new(
                         &(struct aws_credentials_options){env, "eu-west-1", http, &now}, &s, &e),
                     ERR_MISCONFIGURED);
    assert_null(s);
    if (!strstr(e.text, why))
        fail_msg("\"%s\" does not say \"%s\"", e.text, why);
}

static enum rc get_until(struct aws_credentials_source *s, int64_t wait_ms,
                         struct aws_credentials *c, struct err *e) {
    memset(c, 0, sizeof *c);
    memset(e, 0, sizeof *e);
    return aws_credentials_get(s, a, clock_monotonic_ms() + wait_ms, c, e);
}

static struct aws_credentials get(struct aws_credentials_source *s) {
    struct aws_credentials c;
    struct err e;

    if (get_until(s, 10000, &c, &e))
        fail_msg("no credentials: %s", e.detail);
    return c;
}

static void is_id(struct aws_credentials_source *s, const char *id) {
    assert_string_equal(get(s).access_key_id, id);
}

/* The reason is in the detail, and no secret is anywhere. */
static void fails(struct aws_credentials_source *s, enum rc rc, const char *why) {
    struct aws_credentials c;
    struct err e;

    assert_int_equal(get_until(s, 10000, &c, &e), rc);
    assert_int_equal(e.code, rc);
    if (!strstr(e.detail, why))
        fail_msg("\"%s\" does not say \"%s\"", e.detail, why);
    assert_null(strstr(e.text, why));
    assert_null(strstr(e.detail, "s3cret"));
    assert_null(c.access_key_id);
}

static bool was_asked(unsigned n, const char *text) {
    return n < server->request_count && strcasestr(server->requests[n], text);
}

static const char *iso(int64_t time_s) {
    char *out = arena_alloc(a, 32);
    time_t t = (time_t)time_s;
    struct tm tm;

    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
    return out;
}

static void answer_keys(const char *id, int64_t expires_s) {
    loopback_answer(server, "200 OK", "Content-Type: application/json\r\n",
                    arena_printf(a,
                                 "{\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"s3cret/+\","
                                 "\"Token\":\"t+/=\",\"Expiration\":\"%s\"}",
                                 id, iso(expires_s)));
}

/* ---- environment and profile ---- */

static void the_environment_goes_first(void **state) {
    file("config", "[profile other]\naws_access_key_id = OTHER\naws_secret_access_key = s3cret\n");
    struct aws_credentials_source *s = source(
        ENV("AWS_ACCESS_KEY_ID=AKID", "AWS_SECRET_ACCESS_KEY=s3cret", "AWS_SESSION_TOKEN=token",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/x", "AWS_WEB_IDENTITY_TOKEN_FILE=/x",
            "AWS_ROLE_ARN=x", in_folder("AWS_CONFIG_FILE", "config"), "AWS_PROFILE=other"),
        "environment");
    struct aws_credentials c = get(s);

    (void)state;
    assert_string_equal(c.access_key_id, "AKID");
    assert_string_equal(c.secret_access_key, "s3cret");
    assert_string_equal(c.session_token, "token");
    assert_int_equal(c.expires_s, 0);
    assert_int_equal(server->request_count, 0);
    aws_credentials_free(s);
}

static void half_of_the_environment_is_an_error(void **state) {
    (void)state;
    no_source(ENV("AWS_ACCESS_KEY_ID=AKID"), "AWS_SECRET_ACCESS_KEY is not");
    no_source(ENV("AWS_SECRET_ACCESS_KEY=s3cret"), "AWS_ACCESS_KEY_ID is not");
}

static void keys_that_fit_in_no_header_are_refused(void **state) {
    struct aws_credentials_source *s =
        source(ENV("AWS_ACCESS_KEY_ID=AK\r\nID", "AWS_SECRET_ACCESS_KEY=s3cret"), "environment");

    (void)state;
    fails(s, ERR_MISCONFIGURED, "characters that none has");
    aws_credentials_free(s);
}

static void the_profile_goes_second(void **state) {
    const char *config = in_folder("AWS_CONFIG_FILE", "config");
    const char *shared = in_folder("AWS_SHARED_CREDENTIALS_FILE", "credentials");
    struct aws_credentials_source *s;
    struct aws_credentials c;

    (void)state;
    file("config",
         "[profile other]\naws_access_key_id = OTHER\naws_secret_access_key = s3cret#2\n");
    file("credentials", "[default]\naws_access_key_id = DEFAULT\naws_secret_access_key = s3cret\n"
                        "aws_session_token = token\n");
    s = source(ENV(config, shared, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/x"), "profile");
    c = get(s);
    assert_string_equal(c.access_key_id, "DEFAULT");
    assert_string_equal(c.session_token, "token");
    aws_credentials_free(s);
    s = source(ENV(config, shared, "AWS_PROFILE=other"), "profile");
    c = get(s);
    assert_string_equal(c.access_key_id, "OTHER");
    assert_string_equal(c.secret_access_key, "s3cret#2");
    assert_string_equal(c.session_token, "");
    aws_credentials_free(s);
    no_source(ENV(config, shared, "AWS_PROFILE=none"), "AWS_PROFILE names none");
}

static void a_profile_is_read_again_after_some_time(void **state) {
    const char *path = file("credentials", "[default]\naws_access_key_id=ONE\n"
                                           "aws_secret_access_key=s3cret\n");
    const struct aws_env *env = ENV(in_folder("AWS_SHARED_CREDENTIALS_FILE", "credentials"));
    struct aws_credentials_source *s = source(env, "profile");

    (void)state;
    is_id(s, "ONE");
    file("credentials", "[default]\naws_access_key_id=TWO\naws_secret_access_key=s3cret\n");
    now.fixed_s += 299;
    is_id(s, "ONE");
    now.fixed_s += 1;
    is_id(s, "TWO");
    unlink(path); /* a file that is gone takes nothing away */
    now.fixed_s += 300;
    is_id(s, "TWO");
    aws_credentials_free(s);
}

static void profiles_that_cannot_be_used_are_refused(void **state) {
    static const char *const cases[][2] = {
        {"[default]\naws_access_key_id=A\n", "has aws_access_key_id but not"},
        {"[default]\naws_secret_access_key=A\n", "has aws_secret_access_key but not"},
        {"[default]\nrole_arn=r\nsource_profile=x\n", "uses source_profile"},
        {"[default]\naws_access_key_id=A\naws_secret_access_key=B\nrole_arn=r\nsource_profile=x\n",
         "uses source_profile"},
        {"[default]\ncredential_process=/bin/x\n", "uses credential_process"},
        {"[default]\nsso_session=x\n", "uses sso_session"},
        {"[default]\nweb_identity_token_file=/x\n", "set AWS_ROLE_ARN"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        file("config", cases[i][0]);
        no_source(ENV(in_folder("AWS_CONFIG_FILE", "config")), cases[i][1]);
    }
}

static void without_any_source_the_admin_hears_what_to_do(void **state) {
    (void)state;
    no_source(ENV(NO_IMDS), "set AWS_PROFILE, or AWS_ACCESS_KEY_ID");
    no_source(ENV("AWS_EC2_METADATA_DISABLED=TRUE"), "no AWS credentials");
}

/* ---- web identity ---- */

#define XML_KEYS                                                                                   \
    "<?xml version=\"1.0\"?>\n"                                                                    \
    "<AssumeRoleWithWebIdentityResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'>\n"      \
    "  <AssumeRoleWithWebIdentityResult>\n"                                                        \
    "    <Audience>a&amp;b</Audience><Empty/>\n"                                                   \
    "    <Credentials>\n"                                                                          \
    "      <SessionToken>t+/=</SessionToken><SecretAccessKey>s3cret/+</SecretAccessKey>\n"         \
    "      <Expiration>2027-01-15T09:00:00Z</Expiration>\n"                                        \
    "      <AccessKeyId>ASIA</AccessKeyId>\n"                                                      \
    "    </Credentials>\n"                                                                         \
    "  </AssumeRoleWithWebIdentityResult>\n"                                                       \
    "</AssumeRoleWithWebIdentityResponse>\n"

static const struct aws_env *web_identity(const char *session) {
    const char **vars = arena_alloc(a, 6 * sizeof *vars);
    struct aws_env *env = arena_alloc(a, sizeof *env);

    vars[0] = in_folder("AWS_WEB_IDENTITY_TOKEN_FILE", "token");
    vars[1] = "AWS_ROLE_ARN=arn:aws:iam::123456789012:role/a+b";
    vars[2] = at_server("AWS_ENDPOINT_URL_STS", "/sts");
    vars[3] = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/x";
    vars[4] = session;
    env->vars = vars;
    return env;
}

static void a_web_identity_token_goes_third(void **state) {
    struct aws_credentials_source *s =
        source(web_identity("AWS_ROLE_SESSION_NAME=me@here"), "web identity token");
    struct aws_credentials c;

    (void)state;
    file("token", "eyJ.a+b/c\n");
    loopback_answer(server, "200 OK", "", XML_KEYS);
    c = get(s);
    assert_string_equal(c.access_key_id, "ASIA");
    assert_string_equal(c.secret_access_key, "s3cret/+");
    assert_string_equal(c.session_token, "t+/=");
    assert_int_equal(c.expires_s, NOW + 3600);
    assert_true(was_asked(0, "POST /sts/ HTTP/1.1\r\n"));
    assert_true(was_asked(0, "\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
    assert_false(was_asked(0, "Authorization"));
    assert_true(was_asked(0, "\r\n\r\nAction=AssumeRoleWithWebIdentity&Version=2011-06-15&"
                             "RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fa%2Bb&"
                             "RoleSessionName=me%40here&WebIdentityToken=eyJ.a%2Bb%2Fc"));
    file("token", "second"); /* it is changed now and then: read for each call */
    now.fixed_s += 3400;
    get(s);
    assert_true(was_asked(1, "&WebIdentityToken=second"));
    aws_credentials_free(s);
}

static void a_profile_may_name_the_web_identity(void **state) {
    struct aws_credentials_source *s;

    (void)state;
    file("token", "eyJ");
    file("config", arena_printf(a,
                                "[profile pod]\nrole_arn = arn:pod\nrole_session_name = pod-1\n"
                                "web_identity_token_file = %s/token\nendpoint_url = "
                                "http://127.0.0.1:%d\n",
                                folder, server->port));
    s = source(
        ENV(in_folder("AWS_CONFIG_FILE", "config"), "AWS_PROFILE=pod", "AWS_ROLE_ARN=arn:other"),
        "web identity token");
    loopback_answer(server, "200 OK", "", XML_KEYS);
    is_id(s, "ASIA");
    assert_true(was_asked(0, "RoleArn=arn%3Apod&RoleSessionName=pod-1&WebIdentityToken=eyJ"));
    aws_credentials_free(s);
}

static void a_web_identity_that_is_refused_says_why(void **state) {
    static const struct {
        const char *status, *code;
        enum rc rc;
    } cases[] = {
        {"403 Forbidden", "AccessDenied", ERR_MISCONFIGURED},
        {"400 Bad Request", "ExpiredTokenException", ERR_MISCONFIGURED},
        {"400 Bad Request", "IDPCommunicationError", ERR_UPSTREAM},
        {"400 Bad Request", "Throttling", ERR_UPSTREAM},
        {"503 Slow Down", "ServiceUnavailable", ERR_UPSTREAM},
    };

    (void)state;
    file("token", "eyJ");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct aws_credentials_source *s;
        loopback_reset(server);
        s = source(web_identity(NULL), "web identity token");
        loopback_answer(server, cases[i].status, "",
                        arena_printf(a,
                                     "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code>"
                                     "<Message>s3cret</Message></Error></ErrorResponse>",
                                     cases[i].code));
        fails(s, cases[i].rc, cases[i].code);
        assert_true(was_asked(0, "&RoleSessionName=mcp-authd&"));
        aws_credentials_free(s);
    }
}

static void a_token_file_must_hold_a_token(void **state) {
    struct aws_credentials_source *s = source(web_identity(NULL), "web identity token");

    (void)state;
    fails(s, ERR_MISCONFIGURED, "token cannot be read: No such file");
    file("token", "\n");
    now.fixed_s += 3;
    fails(s, ERR_MISCONFIGURED, "holds no token");
    assert_int_equal(server->request_count, 0);
    aws_credentials_free(s);
}

/* ---- XML ---- */

static void xml_is_read_strictly(void **state) {
    static const struct {
        const char *xml, *text; /* of a/b/c */
    } cases[] = {
        {"<a><b><c>x</c></b></a>", "x"},
        {" <a/>", NULL},
        {"<?xml version=\"1.0\"?> <a y='1' z=\"<\"/>", NULL},
        {"<a k=\"v\" ><b\n><c  k = 'v'>x</c></b></a>", NULL},
        {"<a k=\"v\" ><b\n><c  k='v/>'>x</c ></b></a>\n", "x"},
        {"<a><c>no</c><b><x><c>no</c></x><c>1</c><c>2</c></b></a>", "1"},
        {"<a><b><c>&lt;&gt;&amp;&quot;&apos;</c></b></a>", "<>&\"'"},
        {"<a><b><c>&bad;</c></b></a>", NULL},
        {"<a><b><c></c></b></a>", ""},
        {"<a><b><c/></b></a>", NULL},
        {"<a><b><c>x<d/></c></b></a>", NULL},
        {"<a><b><c>x</c></b></a><a/>", NULL},
        {"<a><b><c>x</c></b>", NULL},
        {"<a><b><c>x</b></c></a>", NULL},
        {"<a><b><c>x</cc></b></a>", NULL},
        {"<a><bb></b><b><c>x</c></b></a>", NULL},
        {"<a><b><c>x</c></b></a", NULL},
        {"<!DOCTYPE a><a><b><c>x</c></b></a>", NULL},
        {"<a><!-- --><b><c>x</c></b></a>", NULL},
        {"<a><b><c><![CDATA[x]]></c></b></a>", NULL},
        {"<a><b><c k>x</c></b></a>", NULL},
        {"<a><b><c k=v>x</c></b></a>", NULL},
        {"<a><b><ck=\"v>x</c></b></a>", NULL},
        {"<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>", NULL},
        {"{}", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t len = strlen(cases[i].xml);
        char *exact = malloc(len + 1); /* so that reading past the end is seen */
        const char *text;
        memcpy(exact, cases[i].xml, len);
        exact[len] = '!';
        text = aws_xml_text(a, exact, len, "a/b/c");
        if (!text != !cases[i].text || (text && strcmp(text, cases[i].text) != 0))
            fail_msg("%s: %s", cases[i].xml, text ? text : "(none)");
        free(exact);
    }
}

static void an_answer_of_sts_that_cannot_be_read_is_a_failure(void **state) {
    static const char *const bodies[] = {
        "<AssumeRoleWithWebIdentityResponse/>", "{}", "",
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
        "<AccessKeyId>A</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult>"
        "</AssumeRoleWithWebIdentityResponse>"};

    (void)state;
    file("token", "eyJ");
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct aws_credentials_source *s;
        loopback_reset(server);
        s = source(web_identity(NULL), "web identity token");
        loopback_answer(server, "200 OK", "", bodies[i]);
        fails(s, ERR_UPSTREAM, "STS's answer cannot be read");
        aws_credentials_free(s);
    }
}

/* ---- container ---- */

static void the_container_endpoint_goes_fourth(void **state) {
    struct aws_credentials_source *s =
        source(ENV("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/credentials/id?x=1",
                   at_server("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/not-this")),
               "container endpoint");
    struct aws_credentials c;

    (void)state;
    loopback_answer(server, "200 OK", "", KEYS("ECS", "t+/=", "2027-01-15T09:00:00.123Z"));
    c = get(s);
    assert_string_equal(connected_to, "169.254.170.2");
    assert_true(was_asked(0, "GET /v2/credentials/id?x=1 HTTP/1.1\r\nHost: 169.254.170.2\r\n"));
    assert_false(was_asked(0, "Authorization"));
    assert_string_equal(c.access_key_id, "ECS");
    assert_string_equal(c.secret_access_key, "s3cret/+");
    assert_string_equal(c.session_token, "t+/=");
    assert_int_equal(c.expires_s, NOW + 3600);
    aws_credentials_free(s);
}

static void the_authorization_token_is_sent(void **state) {
    struct aws_credentials_source *s =
        source(ENV(at_server("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/eks"),
                   "AWS_CONTAINER_AUTHORIZATION_TOKEN=Basic abc"),
               "container endpoint");

    (void)state;
    answer_keys("EKS", NOW + 3600);
    is_id(s, "EKS");
    assert_true(was_asked(0, "GET /eks HTTP/1.1\r\n"));
    assert_true(was_asked(0, "\r\nAuthorization: Basic abc\r\n"));
    aws_credentials_free(s);

    loopback_reset(server);
    file("token", "from-file\n");
    s = source(ENV("AWS_CONTAINER_CREDENTIALS_FULL_URI=http://169.254.170.23/v1/credentials",
                   in_folder("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "token"),
                   "AWS_CONTAINER_AUTHORIZATION_TOKEN=not-this"),
               "container endpoint");
    answer_keys("POD", NOW + 3600);
    is_id(s, "POD");
    assert_string_equal(connected_to, "169.254.170.23");
    assert_true(was_asked(0, "\r\nAuthorization: from-file\r\n"));
    file("token", "changed");
    now.fixed_s += 3400;
    is_id(s, "POD");
    assert_true(was_asked(1, "\r\nAuthorization: changed\r\n"));
    aws_credentials_free(s);
}

static void an_authorization_token_is_one_line(void **state) {
    struct aws_credentials_source *s =
        source(ENV(at_server("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/"),
                   "AWS_CONTAINER_AUTHORIZATION_TOKEN=s3cret\r\nX: y"),
               "container endpoint");

    (void)state;
    fails(s, ERR_MISCONFIGURED, "has a line break");
    aws_credentials_free(s);
    s = source(ENV(at_server("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/"),
                   "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/nonexistent"),
               "container endpoint");
    fails(s, ERR_MISCONFIGURED, "/nonexistent cannot be read");
    assert_int_equal(server->request_count, 0);
    aws_credentials_free(s);
}

static void only_certain_hosts_may_be_asked_over_http(void **state) {
#define FULL "AWS_CONTAINER_CREDENTIALS_FULL_URI="
    static const char *const good[] = {
        FULL "https://any.example/x",   FULL "http://localhost/x",
        FULL "http://127.3.2.1:99/x",   FULL "http://[::1]/x",
        FULL "http://169.254.170.2/x",  FULL "http://169.254.170.23:81/x",
        FULL "http://[fd00:ec2::23]/x", FULL "http://[FD00:EC2:0:0::23]/x",
    };
    static const char *const bad[] = {
        FULL "http://any.example/x",
        FULL "http://169.254.169.254/x",
        FULL "http://169.254.170.24/x",
        FULL "http://[fd00:ec2::24]/x",
        FULL "http://127.0.0.1.example/x",
        FULL "http://user@127.0.0.1/x",
        FULL "ftp://127.0.0.1/x",
        FULL "/relative",
        FULL "http://169.254.170.2.evil/",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=x",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=:99/x",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=@evil.example/",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=.evil.example/",
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        aws_credentials_free(source(ENV(good[i]), "container endpoint"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        no_source(ENV(bad[i]), "AWS_CONTAINER_CREDENTIALS_");
}

static void wrong_answers_of_the_container_endpoint_are_failures(void **state) {
    static const struct {
        const char *status, *body, *why;
        enum rc rc;
    } cases[] = {
        {"200 OK", "no JSON", "is no JSON object", ERR_UPSTREAM},
        {"200 OK", "[]", "is no JSON object", ERR_UPSTREAM},
        {"200 OK", "{}", "is missing", ERR_UPSTREAM},
        {"200 OK", KEYS("", "t", "2027-01-15T09:00:00Z"), "is missing", ERR_UPSTREAM},
        {"200 OK", KEYS("A B", "t", "2027-01-15T09:00:00Z"), "characters", ERR_UPSTREAM},
        {"200 OK", KEYS("A", "t\\r\\nX: y", "2027-01-15T09:00:00Z"), "characters", ERR_UPSTREAM},
        {"200 OK", KEYS("A", "t", "soon"), "time of expiry", ERR_UPSTREAM},
        {"200 OK", KEYS("A", "t", "2027-01-15T09:00:00+1:00"), "time of expiry", ERR_UPSTREAM},
        {"200 OK", "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s3cret\",\"Expiration\":1}",
         "time of expiry", ERR_UPSTREAM},
        {"200 OK", KEYS("A", "t", "2027-01-15T08:00:00Z"), "have expired", ERR_UPSTREAM},
        {"302 Found", "", "status 302", ERR_UPSTREAM},
        {"429 Too Many", "", "status 429", ERR_UPSTREAM},
        {"500 Error", "s3cret", "status 500", ERR_UPSTREAM},
        {"401 Unauthorized", "s3cret", "status 401", ERR_MISCONFIGURED},
        {"404 Not Found", "", "status 404", ERR_MISCONFIGURED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct aws_credentials_source *s;
        loopback_reset(server);
        s = source(ENV("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/x"), "container endpoint");
        loopback_answer(server, cases[i].status, "", cases[i].body);
        fails(s, cases[i].rc, cases[i].why);
        aws_credentials_free(s);
    }
}

/* ---- EC2 ---- */

static void answer_imds(const char *keys) {
    loopback_answer(server, "200 OK", "", "imds-token==");
    loopback_answer(server, "200 OK", "", "my-role\nother-role\n");
    loopback_answer(server, "200 OK", "", keys);
}

static void the_instance_metadata_goes_last(void **state) {
    struct aws_credentials_source *s = source(ENV("HOME=/nonexistent"), "EC2 instance metadata");
    struct aws_credentials c;

    (void)state;
    answer_imds(KEYS("EC2", "t+/=", "2027-01-15T14:00:00Z"));
    c = get(s);
    assert_string_equal(connected_to, "169.254.169.254");
    assert_true(was_asked(0, "PUT /latest/api/token HTTP/1.1\r\nHost: 169.254.169.254\r\n"));
    assert_true(was_asked(0, "\r\nX-aws-ec2-metadata-token-ttl-seconds: 300\r\n"));
    assert_true(was_asked(1, "GET /latest/meta-data/iam/security-credentials/ HTTP/1.1\r\n"));
    assert_true(was_asked(1, "\r\nX-aws-ec2-metadata-token: imds-token==\r\n"));
    assert_true(
        was_asked(2, "GET /latest/meta-data/iam/security-credentials/my-role HTTP/1.1\r\n"));
    assert_true(was_asked(2, "\r\nX-aws-ec2-metadata-token: imds-token==\r\n"));
    assert_int_equal(server->request_count, 3);
    assert_string_equal(c.access_key_id, "EC2");
    assert_int_equal(c.expires_s, NOW + 6 * 3600);
    aws_credentials_free(s);
}

/* As AWS's SDKs: credentials that have expired are used on while the service gives none, or none
 * that are newer; it is asked again and again. */
static void expired_ones_of_the_metadata_service_are_used_on(void **state) {
    struct aws_credentials_source *s = source(ENV("A=1"), "EC2 instance metadata");

    (void)state;
    answer_imds(KEYS("EC2", "t", "2027-01-15T14:00:00Z")); /* in six hours */
    is_id(s, "EC2");
    now.fixed_s += 6 * 3600 + 60;
    loopback_answer(server, "500 Error", "", "");
    is_id(s, "EC2");
    assert_int_equal(server->request_count, 4);
    now.fixed_s += 30;
    answer_imds(KEYS("LATE", "t", "2027-01-15T14:00:00Z"));
    is_id(s, "LATE");
    assert_int_equal(server->request_count, 7);
    now.fixed_s += 30;
    answer_imds(KEYS("NEW", "t", "2027-01-15T20:00:00Z"));
    is_id(s, "NEW");
    assert_int_equal(server->request_count, 10);
    now.fixed_s += 30;
    is_id(s, "NEW");
    assert_int_equal(server->request_count, 10);
    aws_credentials_free(s);
}

static void the_metadata_endpoint_can_be_elsewhere(void **state) {
    struct aws_credentials_source *s = source(
        ENV(at_server("AWS_EC2_METADATA_SERVICE_ENDPOINT", "/base")), "EC2 instance metadata");

    (void)state;
    answer_imds(KEYS("EC2", "t", "2027-01-15T14:00:00Z"));
    is_id(s, "EC2");
    assert_true(was_asked(0, "PUT /base/latest/api/token HTTP/1.1\r\n"));
    assert_string_equal(connected_to, "");
    aws_credentials_free(s);
    loopback_reset(server);
    s = source(ENV("AWS_EC2_METADATA_SERVICE_ENDPOINT=not-a-url"), "EC2 instance metadata");
    fails(s, ERR_MISCONFIGURED, "AWS_EC2_METADATA_SERVICE_ENDPOINT is no URL");
    aws_credentials_free(s);
    s = source(ENV("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv5"), "EC2 instance metadata");
    fails(s, ERR_MISCONFIGURED, "must be IPv4 or IPv6");
    aws_credentials_free(s);
}

static void the_metadata_endpoint_has_an_ipv6_address(void **state) {
    struct aws_credentials_source *s =
        source(ENV("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=ipv6"), "EC2 instance metadata");

    (void)state;
    fails(s, ERR_UPSTREAM, "fd00:ec2::254");
    assert_int_equal(server->request_count, 0);
    aws_credentials_free(s);
}

static void version_1_of_the_metadata_service_is_never_used(void **state) {
    static const char *const statuses[] = {"403 Forbidden", "404 Not Found", "405 No"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct aws_credentials_source *s;
        loopback_reset(server);
        s = source(ENV("A=1"), "EC2 instance metadata");
        loopback_answer(server, statuses[i], "", "");
        fails(s, ERR_MISCONFIGURED, i == 1 ? "no EC2 instance" : "status 40");
        assert_int_equal(server->request_count, 1);
        aws_credentials_free(s);
    }
}

static void wrong_answers_of_the_metadata_service_are_failures(void **state) {
    static const struct {
        const char *role, *keys, *why;
    } cases[] = {
        {"", "{}", "empty answer"},
        {"../../user-data", "{}", "no name of a role"},
        {"r", "{\"Code\":\"AssumeRoleUnauthorizedAccess\"}", "AssumeRoleUnauthorizedAccess"},
        {"r", "<html>", "no JSON object"},
        {"r", "{\"Code\":\"Success\"}", "is missing"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct aws_credentials_source *s;
        loopback_reset(server);
        s = source(ENV("A=1"), "EC2 instance metadata");
        loopback_answer(server, "200 OK", "", "token");
        loopback_answer(server, "200 OK", "", cases[i].role);
        loopback_answer(server, "200 OK", "", cases[i].keys);
        fails(s, ERR_UPSTREAM, cases[i].why);
        aws_credentials_free(s);
    }
}

static void an_instance_without_a_role_is_the_admins_to_mend(void **state) {
    struct aws_credentials_source *s = source(ENV("A=1"), "EC2 instance metadata");

    (void)state;
    loopback_answer(server, "200 OK", "", "token");
    loopback_answer(server, "404 Not Found", "", "");
    fails(s, ERR_MISCONFIGURED, "has no role");
    aws_credentials_free(s);
}

/* ---- the log ---- */

/* What fn writes to stderr. */
static const char *log_of(void (*fn)(void)) {
    char *text = arena_alloc(a, 65536);
    int kept = dup(STDERR_FILENO), fd = memfd_create("log", MFD_CLOEXEC);

    assert_true(fd >= 0 && dup2(fd, STDERR_FILENO) >= 0);
    log_set_level(LOG_DEBUG);
    fn();
    log_set_level(LOG_ERROR + 1);
    dup2(kept, STDERR_FILENO);
    close(kept);
    assert_true(pread(fd, text, 65535, 0) > 0);
    close(fd);
    return text;
}

static void fetch_well_and_badly(void) {
    struct aws_credentials_source *s =
        source(ENV(at_server("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/x"),
                   "AWS_CONTAINER_AUTHORIZATION_TOKEN=s3cret-authorization"),
               "container endpoint");

    answer_keys("AKID", NOW + 3600);
    loopback_answer(server, "200 OK", "", KEYS("AKID", "s3cret-token", "s3cret"));
    is_id(s, "AKID");
    now.fixed_s += 3400;
    is_id(s, "AKID");
    assert_int_equal(server->request_count, 2);
    aws_credentials_free(s);
}

static void the_log_says_which_source_and_no_secret(void **state) {
    const char *log = log_of(fetch_well_and_badly);

    (void)state;
    assert_non_null(strstr(log, "event=aws_credentials_source source=\"container endpoint\"\n"));
    assert_non_null(strstr(log, "event=aws_credentials_fetched source=\"container endpoint\" "
                                "expires_in_s=3600\n"));
    assert_non_null(strstr(log, "event=aws_credentials_fetch_failed source=\"container endpoint\" "
                                "detail=\"AWS credentials: their time of expiry cannot be read\" "
                                "kept=yes\n"));
    assert_null(strstr(log, "s3cret"));
    assert_null(strstr(log, "t+/="));
}

/* ---- expiry and outage ---- */

static struct aws_credentials_source *container(void) {
    static const char *const vars[] = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/x", NULL};
    static const struct aws_env env = {vars};

    return source(&env, "container endpoint");
}

static void credentials_are_fetched_once_until_shortly_before_they_end(void **state) {
    struct aws_credentials_source *s = container();

    (void)state;
    answer_keys("ONE", NOW + 3600);
    answer_keys("TWO", NOW + 7200);
    for (int i = 0; i < 5; i++)
        is_id(s, "ONE");
    now.fixed_s = NOW + 3600 - 301;
    is_id(s, "ONE");
    assert_int_equal(server->request_count, 1);
    now.fixed_s = NOW + 3600 - 300;
    is_id(s, "TWO");
    is_id(s, "TWO");
    assert_int_equal(server->request_count, 2);
    aws_credentials_free(s);
}

static void an_outage_leaves_the_old_ones_until_they_end(void **state) {
    struct aws_credentials_source *s = container();

    (void)state;
    answer_keys("ONE", NOW + 3600);
    loopback_answer(server, "500 Error", "", "");
    is_id(s, "ONE");
    now.fixed_s = NOW + 3400;
    is_id(s, "ONE");
    is_id(s, "ONE");
    assert_int_equal(server->request_count, 2); /* the failure is remembered */
    now.fixed_s += 29;
    is_id(s, "ONE");
    assert_int_equal(server->request_count, 2);
    now.fixed_s += 1;
    is_id(s, "ONE");
    assert_int_equal(server->request_count, 3);
    now.fixed_s = NOW + 3599;
    is_id(s, "ONE");
    now.fixed_s = NOW + 3600;
    fails(s, ERR_UPSTREAM, "status 500");
    loopback_reset(server);
    answer_keys("TWO", NOW + 7200);
    now.fixed_s += 3;
    is_id(s, "TWO");
    aws_credentials_free(s);
}

static void a_failure_is_remembered_shortly(void **state) {
    struct aws_credentials_source *s = container();

    (void)state;
    loopback_fault(server, RESETS);
    answer_keys("ONE", NOW + 3600);
    fails(s, ERR_UPSTREAM, "AWS credentials: ");
    now.fixed_s += 2;
    fails(s, ERR_UPSTREAM, "AWS credentials: ");
    assert_int_equal(server->request_count, 1);
    now.fixed_s += 1;
    is_id(s, "ONE");
    aws_credentials_free(s);
}

static void a_source_that_gives_the_same_again_is_not_asked_each_time(void **state) {
    struct aws_credentials_source *s = container();

    (void)state;
    answer_keys("ONE", NOW + 200); /* near their end from the start */
    is_id(s, "ONE");
    is_id(s, "ONE");
    now.fixed_s += 29;
    is_id(s, "ONE");
    assert_int_equal(server->request_count, 1);
    now.fixed_s += 1;
    is_id(s, "ONE");
    assert_int_equal(server->request_count, 2);
    aws_credentials_free(s);
}

/* What is asked and given up is read by the server before the next answers are set. */
static void is_asked_again(unsigned already) {
    for (int i = 0; i < 10000 && server->request_count <= already; i++)
        usleep(1000);
    assert_true(server->request_count > already);
}

static int64_t time_until_it_fails(struct aws_credentials_source *s, int64_t wait_ms) {
    int64_t before_ms = clock_monotonic_ms();
    struct aws_credentials c;
    struct err e;

    assert_int_equal(get_until(s, wait_ms, &c, &e), ERR_UPSTREAM);
    return clock_monotonic_ms() - before_ms;
}

static void a_source_that_hangs_is_left_in_time(void **state) {
    struct aws_credentials_source *s = container();
    int64_t took_ms, least_ms = INT64_MAX;
    unsigned asked;

    (void)state;
    loopback_fault(server, HANGS);
    for (int i = 0; i < TRIES && least_ms >= AWS_CREDENTIALS_WAIT_MS; i++) {
        took_ms = time_until_it_fails(s, 300);
        assert_true(took_ms >= 250);
        least_ms = took_ms < least_ms ? took_ms : least_ms;
        now.fixed_s += 3;
    }
    assert_true(least_ms < AWS_CREDENTIALS_WAIT_MS);

    asked = server->request_count;
    took_ms = time_until_it_fails(s, 60000);
    assert_true(took_ms >= AWS_CREDENTIALS_WAIT_MS - 100 && took_ms < 30000);
    is_asked_again(asked);

    now.fixed_s += 3; /* a deadline that has passed costs neither time nor the turn */
    asked = server->request_count;
    (void)time_until_it_fails(s, 0);
    assert_int_equal(server->request_count, asked);
    loopback_reset(server);
    answer_keys("ONE", NOW + 3600);
    is_id(s, "ONE");
    aws_credentials_free(s);
}

static void a_refresh_costs_less_time_while_the_old_ones_serve(void **state) {
    struct aws_credentials_source *s = container();
    int64_t least_ms = INT64_MAX;
    unsigned tries = 0;

    (void)state;
    answer_keys("ONE", NOW + 3600);
    loopback_fault(server, HANGS);
    is_id(s, "ONE");
    now.fixed_s += 3400;
    while (tries < TRIES &&
           (least_ms >= AWS_CREDENTIALS_WAIT_MS - 100 || server->request_count < 2)) {
        int64_t before_ms = clock_monotonic_ms(), took_ms;

        is_id(s, "ONE");
        took_ms = clock_monotonic_ms() - before_ms;
        assert_true(took_ms >= 900);
        least_ms = took_ms < least_ms ? took_ms : least_ms;
        now.fixed_s += 30; /* until then the failure is remembered */
        tries++;
    }
    assert_true(least_ms < AWS_CREDENTIALS_WAIT_MS - 100);
    is_asked_again(1);
    assert_true(server->request_count <= 1 + tries);
    aws_credentials_free(s);
}

static void refused_credentials_are_replaced(void **state) {
    struct aws_credentials_source *s = container();

    (void)state;
    answer_keys("ONE", NOW + 3600);
    answer_keys("TWO", NOW + 3600);
    is_id(s, "ONE");
    aws_credentials_refused(s);
    is_id(s, "ONE"); /* asked a moment ago */
    now.fixed_s += 3;
    is_id(s, "TWO");
    now.fixed_s += 3;
    is_id(s, "TWO");
    assert_int_equal(server->request_count, 2);
    aws_credentials_free(s);
}

static void a_clock_that_goes_back_stops_nothing(void **state) {
    struct aws_credentials_source *s = container();

    (void)state;
    loopback_answer(server, "500 Error", "", "");
    answer_keys("ONE", NOW + 3600);
    fails(s, ERR_UPSTREAM, "status 500");
    now.fixed_s = NOW - 86400;
    is_id(s, "ONE");
    aws_credentials_free(s);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(the_environment_goes_first),
        CASE(half_of_the_environment_is_an_error),
        CASE(keys_that_fit_in_no_header_are_refused),
        CASE(the_profile_goes_second),
        CASE(a_profile_is_read_again_after_some_time),
        CASE(profiles_that_cannot_be_used_are_refused),
        CASE(without_any_source_the_admin_hears_what_to_do),
        CASE(a_web_identity_token_goes_third),
        CASE(a_profile_may_name_the_web_identity),
        CASE(a_web_identity_that_is_refused_says_why),
        CASE(a_token_file_must_hold_a_token),
        CASE(xml_is_read_strictly),
        CASE(an_answer_of_sts_that_cannot_be_read_is_a_failure),
        CASE(the_container_endpoint_goes_fourth),
        CASE(the_authorization_token_is_sent),
        CASE(an_authorization_token_is_one_line),
        CASE(only_certain_hosts_may_be_asked_over_http),
        CASE(wrong_answers_of_the_container_endpoint_are_failures),
        CASE(the_instance_metadata_goes_last),
        CASE(expired_ones_of_the_metadata_service_are_used_on),
        CASE(the_metadata_endpoint_can_be_elsewhere),
        CASE(the_metadata_endpoint_has_an_ipv6_address),
        CASE(version_1_of_the_metadata_service_is_never_used),
        CASE(wrong_answers_of_the_metadata_service_are_failures),
        CASE(an_instance_without_a_role_is_the_admins_to_mend),
        CASE(the_log_says_which_source_and_no_secret),
        CASE(credentials_are_fetched_once_until_shortly_before_they_end),
        CASE(an_outage_leaves_the_old_ones_until_they_end),
        CASE(a_failure_is_remembered_shortly),
        CASE(a_source_that_gives_the_same_again_is_not_asked_each_time),
        CASE(a_source_that_hangs_is_left_in_time),
        CASE(a_refresh_costs_less_time_while_the_old_ones_serve),
        CASE(refused_credentials_are_replaced),
        CASE(a_clock_that_goes_back_stops_nothing),
    };
    int failed;

    log_set_level(LOG_ERROR + 1);
    server = loopback_start();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    loopback_stop(server);
    return failed;
}
