/* Private part of metrics.h: the text that Prometheus reads,
 * https://prometheus.io/docs/instrumenting/exposition_formats/, "Text-based format". Names, help
 * and label values come from our table alone and need no escapes (a unit test sees to it). */
#include "metrics/metrics.h"

#include <inttypes.h>

#define US_A_SECOND 1e6

static void put_labels(const struct metric_info *i, unsigned a, unsigned b, FILE *out) {
    const struct metric_label *first = i->labels[0], *second = i->labels[1];

    if (!first->label)
        return;
    (void)fprintf(out, "{%s=\"%s\"", first->label, first->values[a]);
    if (second->label)
        (void)fprintf(out, ",%s=\"%s\"", second->label, second->values[b]);
    (void)fputc('}', out);
}

static void put_number(const struct metric_info *i, uint64_t value, FILE *out) {
    if (i->scale == 1)
        (void)fprintf(out, " %" PRIu64 "\n", value);
    else
        (void)fprintf(out, " %.10g\n", (double)value / i->scale);
}

/* Every histogram has one label. */
static void put_histogram(enum metric m, unsigned a, FILE *out) {
    const struct metric_info *i = &metric_table[m];
    const char *label = i->labels[0]->label, *value = i->labels[0]->values[a];
    uint64_t count = 0;

    for (unsigned n = 0; n < METRIC_BUCKETS; n++) {
        count += metrics_bucket(m, a, n);
        (void)fprintf(out, "%s_bucket{%s=\"%s\",le=\"", i->prometheus, label, value);
        if (n < METRIC_BOUNDS)
            (void)fprintf(out, "%.6g\"} %" PRIu64 "\n", (double)metric_bounds[n] / US_A_SECOND,
                          count);
        else
            (void)fprintf(out, "+Inf\"} %" PRIu64 "\n", count);
    }
    (void)fprintf(out, "%s_sum{%s=\"%s\"} %.6f\n", i->prometheus, label, value,
                  (double)metrics_time_sum(m, a) / US_A_SECOND);
    (void)fprintf(out, "%s_count{%s=\"%s\"} %" PRIu64 "\n", i->prometheus, label, value, count);
}

static void put_metric(enum metric m, FILE *out) {
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    const struct metric_info *i = &metric_table[m];

    (void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", i->prometheus, i->help, i->prometheus,
                  kinds[i->kind]);
    for (unsigned a = 0; a < i->labels[0]->count; a++) {
        if (!i->labels[0]->values[a])
            continue;
        if (i->kind == METRIC_HISTOGRAM) {
            put_histogram(m, a, out);
            continue;
        }
        for (unsigned b = 0; b < i->labels[1]->count; b++) {
            (void)fputs(i->prometheus, out);
            put_labels(i, a, b, out);
            put_number(i, metrics_value(m, a, b), out);
        }
    }
}

void metrics_text(FILE *out) {
    for (unsigned m = 0; m < METRICS; m++)
        put_metric(m, out);
    (void)fprintf(out,
                  "# HELP mcp_authd_info The program.\n# TYPE mcp_authd_info gauge\n"
                  "mcp_authd_info{version=\"%s\"} 1\n",
                  MCP_AUTHD_VERSION);
}
