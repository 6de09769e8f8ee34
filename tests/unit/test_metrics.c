#include "unit.h"

#include <ctype.h>
#include <sys/wait.h>

#include "app/errors.h"
#include "config/config.h"
#include "mcp/rpc.h"
#include "metrics/metrics.h"
#include "oauth/site.h"

#define SLOTS 4

static int open_metrics(void **state) {
    (void)state;
    errors_name_metrics();
    return metrics_open(SLOTS) ? 0 : -1;
}

static int close_metrics(void **state) {
    (void)state;
    metrics_close();
    return 0;
}

#define WITH_METRICS(fn) cmocka_unit_test_setup_teardown(fn, open_metrics, close_metrics)

/* Runs what a worker would count, in a process of its own. */
static void in_worker(unsigned slot, void (*count)(void)) {
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        metrics_use_slot(slot);
        count();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static __attribute__((noinline)) char *printed_by(void (*write)(FILE *)) {
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    assert_non_null(f);
    write(f);
    assert_int_equal(fclose(f), 0);
    return text;
}

static uint64_t *emf;
static void write_emf(FILE *out) {
    metrics_emf_write(emf, 1574109732004, out);
}

static unsigned lines_with(const char *text, const char *what) {
    unsigned n = 0;

    for (const char *p = text; (p = strstr(p, what)); p++)
        n++;
    return n;
}

/* ---- counting ---- */

static void nothing_happens_before_it_is_open(void **state) {
    (void)state;
    metrics_request(ENDPOINT_MCP, true, 200, 10);
    metrics_latency(10);
    assert_int_equal(metrics_value(METRIC_COUNT, ENDPOINT_MCP, 0), 0);
}

static void count_three(void) {
    for (int i = 0; i < 3; i++)
        metrics_count(METRIC_TOKEN_CACHE, CACHE_HIT);
    metrics_count2(METRIC_UPSTREAM_CALLS, UPSTREAM_KEYS, OUTCOME_TIMEOUT);
}

static void slots_add_up_and_outlive_their_worker(void **state) {
    (void)state;
    in_worker(0, count_three);
    in_worker(SLOTS - 1, count_three);
    in_worker(0, count_three); /* the next worker in the slot goes on where the first one ended */
    metrics_count(METRIC_TOKEN_CACHE, CACHE_MISS);
    assert_int_equal(metrics_value(METRIC_TOKEN_CACHE, CACHE_HIT, 0), 9);
    assert_int_equal(metrics_value(METRIC_TOKEN_CACHE, CACHE_MISS, 0), 1);
    assert_int_equal(metrics_value(METRIC_UPSTREAM_CALLS, UPSTREAM_KEYS, OUTCOME_TIMEOUT), 3);
    assert_int_equal(metrics_value(METRIC_UPSTREAM_CALLS, UPSTREAM_KEYS, OUTCOME_OK), 0);
}

/* Every combination has cells of its own: each is counted once, and is one afterwards. */
static void no_two_numbers_share_a_cell(void **state) {
    (void)state;
    for (unsigned m = 0; m < METRICS; m++)
        for (unsigned a = 0; a < metric_table[m].labels[0]->count; a++)
            for (unsigned b = 0; b < metric_table[m].labels[1]->count; b++)
                if (metric_table[m].kind == METRIC_HISTOGRAM)
                    for (unsigned n = 0; n < METRIC_BUCKETS; n++)
                        metrics_time(m, a, n < METRIC_BOUNDS ? metric_bounds[n] : UINT32_MAX);
                else
                    metrics_add(m, a, b, 1);
    for (unsigned m = 0; m < METRICS; m++)
        for (unsigned a = 0; a < metric_table[m].labels[0]->count; a++)
            for (unsigned b = 0; b < metric_table[m].labels[1]->count; b++)
                if (metric_table[m].kind == METRIC_HISTOGRAM)
                    for (unsigned n = 0; n < METRIC_BUCKETS; n++)
                        assert_int_equal(metrics_value(m, a, n), 1);
                else
                    assert_int_equal(metrics_value(m, a, b), 1);
}

static void a_label_out_of_range_stays_in_its_metric(void **state) {
    (void)state;
    metrics_count(METRIC_USER_ERRORS, 77);
    metrics_count2(METRIC_STORE_CALLS, 99, 99);
    assert_int_equal(metrics_value(METRIC_USER_ERRORS, 0, 0), 1);
    assert_int_equal(metrics_value(METRIC_STORE_CALLS, 0, 0), 1);
}

static void a_request_counts_what_lambda_and_api_gateway_would(void **state) {
    const struct {
        int status;
        bool invoked;
        unsigned invocations, errors, throttles, client, server;
    } cases[] = {
        {200, true, 1, 0, 0, 0, 0},  {302, true, 1, 0, 0, 0, 0},  {401, true, 1, 0, 0, 1, 0},
        {404, false, 0, 0, 0, 1, 0}, {413, false, 0, 0, 0, 1, 0}, {429, true, 1, 0, 1, 1, 0},
        {500, true, 1, 1, 0, 0, 1},  {503, true, 1, 1, 0, 0, 1},  {503, false, 0, 0, 0, 0, 1},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        metrics_close();
        assert_true(metrics_open(SLOTS));
        metrics_request(ENDPOINT_TOKEN, cases[i].invoked, cases[i].status, 100);
        assert_int_equal(metrics_value(METRIC_COUNT, ENDPOINT_TOKEN, 0), 1);
        assert_int_equal(metrics_value(METRIC_COUNT, ENDPOINT_MCP, 0), 0);
        assert_int_equal(metrics_value(METRIC_INVOCATIONS, ENDPOINT_TOKEN, 0),
                         cases[i].invocations);
        assert_int_equal(metrics_value(METRIC_ERRORS, ENDPOINT_TOKEN, 0), cases[i].errors);
        assert_int_equal(metrics_value(METRIC_THROTTLES, ENDPOINT_TOKEN, 0), cases[i].throttles);
        assert_int_equal(metrics_value(METRIC_4XX, ENDPOINT_TOKEN, 0), cases[i].client);
        assert_int_equal(metrics_value(METRIC_5XX, ENDPOINT_TOKEN, 0), cases[i].server);
        assert_int_equal(
            metrics_value(METRIC_RESPONSES, ENDPOINT_TOKEN, metrics_status_index(cases[i].status)),
            1);
    }
}

static void a_latency_belongs_to_the_last_request(void **state) {
    (void)state;
    metrics_request(ENDPOINT_METADATA, true, 200, 60);
    metrics_latency(80);
    assert_int_equal(metrics_value(METRIC_DURATION, ENDPOINT_METADATA, METRIC_SUM), 60);
    assert_int_equal(metrics_value(METRIC_LATENCY, ENDPOINT_METADATA, METRIC_SUM), 80);
}

static void endpoints_are_the_groups_of_the_configuration(void **state) {
    (void)state;
    assert_int_equal(metrics_endpoint(GROUP_AUTHORIZE), ENDPOINT_AUTHORIZE);
    assert_int_equal(metrics_endpoint(GROUP_TOKEN), ENDPOINT_TOKEN);
    assert_int_equal(metrics_endpoint(GROUP_METADATA), ENDPOINT_METADATA);
    assert_int_equal(metrics_endpoint(GROUP_MCP), ENDPOINT_MCP);
    assert_int_equal(metrics_endpoint(0), ENDPOINT_OTHER);
}

static void times_fall_into_the_right_bucket(void **state) {
    (void)state;
    for (unsigned n = 1; n < METRIC_BOUNDS; n++)
        assert_true(metric_bounds[n] > metric_bounds[n - 1]);
    metrics_time(METRIC_LATENCY, 0, 0);
    metrics_time(METRIC_LATENCY, 0, metric_bounds[0]);
    metrics_time(METRIC_LATENCY, 0, metric_bounds[0] + 1);
    metrics_time(METRIC_LATENCY, 0, metric_bounds[METRIC_BOUNDS - 1] + 1);
    assert_int_equal(metrics_value(METRIC_LATENCY, 0, 0), 2);
    assert_int_equal(metrics_value(METRIC_LATENCY, 0, 1), 1);
    assert_int_equal(metrics_value(METRIC_LATENCY, 0, METRIC_BUCKETS - 1), 1);
}

/* ---- the table ---- */

static void assert_name(const char *s, bool digits) {
    assert_non_null(s);
    assert_true(isalpha((unsigned char)*s) || (digits && isdigit((unsigned char)*s)));
    for (; *s; s++)
        assert_true(isalnum((unsigned char)*s) || *s == '_');
}

static void every_name_and_label_is_there_and_plain(void **state) {
    (void)state;
    for (unsigned m = 0; m < METRICS; m++) {
        const struct metric_info *i = &metric_table[m];

        assert_name(i->prometheus, false);
        assert_true(i->scale > 0);
        assert_null(strpbrk(i->help, "\\\n"));
        if (i->cloudwatch)
            assert_name(i->cloudwatch, true); /* 4XXError */
        for (unsigned l = 0; l < 2; l++)
            if (i->labels[l]->dimension)
                for (unsigned v = 0; v < i->labels[l]->count; v++) {
                    const char *name = metrics_label(i->labels[l], v);

                    if (name || (m == METRIC_DENIALS ? v < ERR_PROTOCOL : !i->labels[l]->of_sites))
                        assert_name(name, true);
                }
        for (unsigned other = 0; other < m; other++)
            assert_string_not_equal(i->prometheus, metric_table[other].prometheus);
    }
}

/* Each code of oauth/site.h and mcp/rpc.h, and no two the same. */
static void denials_have_the_codes_of_the_protocols(void **state) {
    const char *const *names = metric_table[METRIC_DENIALS].labels[0]->values;
    unsigned named = 0;

    (void)state;
    for (unsigned i = ERR_PROTOCOL; i < ERR_COUNT; i++) {
        named += names[i] != NULL;
        for (unsigned other = OK; names[i] && other < i; other++)
            assert_true(!names[other] || strcmp(names[other], names[i]) != 0);
    }
    assert_int_equal(named, 20);
    assert_string_equal(names[ERR_UNSUPPORTED_RESPONSE_TYPE], "unsupported_response_type");
    assert_string_equal(names[ERR_RPC_INTERNAL], "rpc_internal");
    assert_string_equal(names[ERR_RPC_QUOTA], "quota");
}

static void statuses_have_their_place(void **state) {
    const struct metric_label *l = metric_table[METRIC_RESPONSES].labels[1];

    (void)state;
    assert_string_equal(l->values[metrics_status_index(200)], "200");
    assert_string_equal(l->values[metrics_status_index(503)], "503");
    assert_string_equal(l->values[metrics_status_index(418)], "other");
    assert_string_equal(l->values[metrics_status_index(0)], "other");
}

/* ---- Prometheus ---- */

static void prometheus_text_is_exact(void **state) {
    char *text;

    (void)state;
    metrics_request(ENDPOINT_MCP, true, 200, 90);
    metrics_add(METRIC_CONSUMED_READ, 0, 0, 1500);
    metrics_gauge(METRIC_WORKERS, 2, 7);
    metrics_gauge(METRIC_WORKERS, 2, 5);
    text = printed_by(metrics_text);
    assert_non_null(strstr(text, "# HELP mcp_authd_requests_total Requests.\n"
                                 "# TYPE mcp_authd_requests_total counter\n"));
    assert_non_null(strstr(text, "\nmcp_authd_requests_total{endpoint=\"mcp\"} 1\n"));
    assert_non_null(
        strstr(text, "\nmcp_authd_responses_total{endpoint=\"mcp\",status=\"200\"} 1\n"));
    assert_non_null(strstr(text, "\nmcp_authd_dynamodb_read_units_total 1.5\n"));
    assert_non_null(strstr(text, "\nmcp_authd_workers{state=\"busy\"} 5\n"));
    assert_non_null(strstr(
        text, "\nmcp_authd_handler_duration_seconds_bucket{endpoint=\"mcp\",le=\"7e-05\"} 0\n"
              "mcp_authd_handler_duration_seconds_bucket{endpoint=\"mcp\",le=\"0.0001\"} 1\n"));
    assert_non_null(
        strstr(text, "\nmcp_authd_handler_duration_seconds_bucket{endpoint=\"mcp\",le=\"+Inf\"} 1\n"
                     "mcp_authd_handler_duration_seconds_sum{endpoint=\"mcp\"} 0.000090\n"
                     "mcp_authd_handler_duration_seconds_count{endpoint=\"mcp\"} 1\n"));
    free(text);
}

/* ---- sites ---- */

static void count_sites(void) {
    metrics_count(METRIC_SITE_REQUESTS, 1);
    metrics_count(METRIC_SITE_REQUESTS, 3);
    metrics_gauge(METRIC_SITE_LAST, 2, 1700000002);
    metrics_gauge(METRIC_SITE_LAST, 3, 1700000003);
}

static void sites_have_labels_up_to_the_limit_and_the_rest_are_other(void **state) {
    char *text;

    (void)state;
    metrics_show_sites(2);
    assert_int_equal(metrics_site("a"), 1);
    assert_int_equal(metrics_site("b"), 2);
    assert_int_equal(metrics_site("c"), 3);
    in_worker(0, count_sites);
    in_worker(1, count_sites);
    metrics_count(METRIC_SITE_REQUESTS, METRIC_SITE_OTHER);
    assert_int_equal(metrics_value(METRIC_SITE_REQUESTS, 3, 0), 2);
    text = printed_by(metrics_text);
    assert_non_null(strstr(text, "\nmcp_authd_site_requests_total{site=\"other\"} 3\n"
                                 "mcp_authd_site_requests_total{site=\"a\"} 2\n"
                                 "mcp_authd_site_requests_total{site=\"b\"} 0\n#"));
    assert_non_null(strstr(text,
                           "\nmcp_authd_site_last_request_time_seconds{site=\"other\"} 1700000003\n"
                           "mcp_authd_site_last_request_time_seconds{site=\"a\"} 0\n"
                           "mcp_authd_site_last_request_time_seconds{site=\"b\"} 1700000002\n#"));
    free(text);
    emf = xcalloc(metrics_cells(), sizeof *emf);
    text = printed_by(write_emf);
    assert_non_null(strstr(text, "\"Dimensions\":[[\"Site\"]],"));
    assert_non_null(strstr(text, ",\"Site\":\"a\",\"SiteRequests\":2}\n"));
    assert_non_null(strstr(text, ",\"Site\":\"other\",\"SiteRequests\":3}\n"));
    assert_int_equal(lines_with(text, "\"Site\":\""), 2);
    free(text);
    free(emf);
}

static void a_site_keeps_its_number_and_one_too_many_is_other(void **state) {
    char name[METRIC_SITE_NAME_MAX + 2];

    (void)state;
    metrics_show_sites(METRIC_SITES_MAX);
    for (unsigned i = 1; i <= METRIC_SITES_MAX; i++) {
        (void)snprintf(name, sizeof name, "site-%u", i);
        assert_int_equal(metrics_site(name), i);
    }
    assert_int_equal(metrics_site("one-more"), METRIC_SITE_OTHER);
    assert_int_equal(metrics_site("site-7"), 7);
    assert_int_equal(metrics_site("site-4096"), 4096);
    assert_int_equal(metrics_site("site-1"), 1);
    metrics_close();
    assert_int_equal(metrics_site("a"), METRIC_SITE_OTHER);
    assert_true(metrics_open(SLOTS));
    memset(name, 'n', sizeof name);
    name[METRIC_SITE_NAME_MAX + 1] = 0;
    assert_int_equal(metrics_site(name), METRIC_SITE_OTHER);
    name[METRIC_SITE_NAME_MAX] = 0;
    assert_int_equal(metrics_site(name), 1);
    /* Its label would be that of all others. */
    assert_int_equal(metrics_site("other"), 2);
    assert_null(metrics_label(metric_table[METRIC_SITE_REQUESTS].labels[0], 2));
}

/* ---- CloudWatch ---- */

static void a_quiet_time_sends_gauges_only(void **state) {
    char *text;

    (void)state;
    emf = xcalloc(metrics_cells(), sizeof *emf);
    metrics_gauge(METRIC_WORKERS_MAX, 0, 16);
    text = printed_by(write_emf);
    assert_int_equal(lines_with(text, "\n"), 6); /* five states, and the others */
    assert_non_null(
        strstr(text, "{\"_aws\":{\"Timestamp\":1574109732004,\"CloudWatchMetrics\":[{\"Namespace\":"
                     "\"mcp-authd\",\"Dimensions\":[[]],\"Metrics\":[{\"Name\":\"WorkersMax\","
                     "\"Unit\":\"Count\"},{\"Name\":\"ParkedCalls\",\"Unit\":\"Count\"}]}]},"
                     "\"WorkersMax\":16,\"ParkedCalls\":0}\n"));
    free(text);
    free(emf);
}

static void only_what_is_new_is_sent(void **state) {
    char *text;

    (void)state;
    emf = xcalloc(metrics_cells(), sizeof *emf);
    for (int i = 0; i < 3; i++)
        metrics_request(ENDPOINT_TOKEN, true, 503, 2000);
    text = printed_by(write_emf);
    assert_non_null(strstr(text, "\"Dimensions\":[[\"Endpoint\"]],"));
    assert_non_null(strstr(text, ",\"Endpoint\":\"token\",\"Count\":3,\"Invocations\":3,"
                                 "\"Errors\":3,\"5XXError\":3,\"Duration\":["));
    assert_int_equal(lines_with(text, "\"Endpoint\":\"mcp\""), 0);
    free(text);
    metrics_request(ENDPOINT_TOKEN, true, 200, 2000);
    text = printed_by(write_emf);
    assert_non_null(
        strstr(text, "\"Endpoint\":\"token\",\"Count\":1,\"Invocations\":1,\"Duration\":["));
    free(text);
    text = printed_by(write_emf);
    assert_int_equal(lines_with(text, "Endpoint"), 0);
    free(text);
    free(emf);
}

/* A distribution is sent as at most 100 values; its average and percentiles are still right. */
static void a_distribution_keeps_its_shape(void **state) {
    double values[128], sum = 0;
    unsigned n = 0;
    char *text, *p;

    (void)state;
    emf = xcalloc(metrics_cells(), sizeof *emf);
    for (int i = 0; i < 990; i++)
        metrics_request(ENDPOINT_MCP, true, 200, 1400); /* in the bucket from 1 to 1.5 ms */
    for (int i = 0; i < 10; i++)
        metrics_request(ENDPOINT_MCP, true, 200, 4000000); /* 3 to 5 s */
    text = printed_by(write_emf);
    p = strstr(text, "\"Duration\":[");
    assert_non_null(p);
    for (p += strlen("\"Duration\":["); n < 128; p++) {
        values[n++] = strtod(p, &p);
        if (*p == ']')
            break;
    }
    assert_int_equal(n, 100);
    for (unsigned i = 0; i < n; i++) {
        assert_true(i < 99 ? values[i] > 1 && values[i] <= 1.5
                           : values[i] > 3000 && values[i] <= 5000);
        sum += values[i];
    }
    assert_true(sum / n > 30 && sum / n < 52); /* (990 × 1.4 + 10 × 4000) / 1000 = 41.4 */
    free(text);
    free(emf);
}

static int unit_tests(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_happens_before_it_is_open),
        WITH_METRICS(slots_add_up_and_outlive_their_worker),
        WITH_METRICS(no_two_numbers_share_a_cell),
        WITH_METRICS(a_label_out_of_range_stays_in_its_metric),
        WITH_METRICS(a_request_counts_what_lambda_and_api_gateway_would),
        WITH_METRICS(a_latency_belongs_to_the_last_request),
        WITH_METRICS(endpoints_are_the_groups_of_the_configuration),
        WITH_METRICS(times_fall_into_the_right_bucket),
        cmocka_unit_test(every_name_and_label_is_there_and_plain),
        cmocka_unit_test(denials_have_the_codes_of_the_protocols),
        cmocka_unit_test(statuses_have_their_place),
        WITH_METRICS(prometheus_text_is_exact),
        WITH_METRICS(sites_have_labels_up_to_the_limit_and_the_rest_are_other),
        WITH_METRICS(a_site_keeps_its_number_and_one_too_many_is_other),
        WITH_METRICS(a_quiet_time_sends_gauges_only),
        WITH_METRICS(only_what_is_new_is_sent),
        WITH_METRICS(a_distribution_keeps_its_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* With "emf" or "text": prints everything that the program can ever say, for the tests of alarms
 * and dashboards. Each counter is counted once, and each time taken 250 times. */
static int print_all(const char *format) {
    errors_name_metrics();
    if (!metrics_open(1))
        return 1;
    for (unsigned m = 0; m < METRICS; m++)
        for (unsigned a = 0; a < metric_table[m].labels[0]->count; a++)
            for (unsigned b = 0; b < metric_table[m].labels[1]->count; b++)
                if (metric_table[m].kind == METRIC_HISTOGRAM)
                    for (unsigned i = 0; i < 250; i++)
                        metrics_time(m, a, i * i * 1000ULL);
                else
                    metrics_add(m, a, b, 1);
    emf = xcalloc(metrics_cells(), sizeof *emf);
    if (strcmp(format, "emf") == 0)
        write_emf(stdout);
    else
        metrics_text(stdout);
    free(emf);
    metrics_close();
    return 0;
}

int main(int argc, char **argv) {
    return argc == 2 ? print_all(argv[1]) : unit_tests();
}
