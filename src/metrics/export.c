/* Private part of metrics.h: the texts that Prometheus and CloudWatch read. Names, help and label
 * values come from our table, and are names of sites, which need no escapes either (a unit test
 * sees to it). */
#include "metrics/metrics.h"

#include <inttypes.h>

#define US_A_SECOND 1e6
#define VALUES_MAX 100 /* "Target members": no more in an array */
#define US_A_MS 1000.0

static void put_number(const struct metric_info *i, uint64_t value, FILE *out) {
    if (i->scale == 1)
        (void)fprintf(out, "%" PRIu64, value);
    else
        (void)fprintf(out, "%.10g", (double)value / i->scale);
}

/* ---- Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/, "Text-based
 * format" ---- */

static void put_labels(const struct metric_info *i, unsigned a, unsigned b, FILE *out) {
    const struct metric_label *first = i->labels[0], *second = i->labels[1];

    if (!first->label)
        return;
    (void)fprintf(out, "{%s=\"%s\"", first->label, metrics_label(first, a));
    if (second->label)
        (void)fprintf(out, ",%s=\"%s\"", second->label, metrics_label(second, b));
    (void)fputc('}', out);
}

/* Every histogram has one label. */
static void put_histogram(enum metric m, unsigned a, FILE *out) {
    const struct metric_info *i = &metric_table[m];
    const char *label = i->labels[0]->label, *value = metrics_label(i->labels[0], a);
    uint64_t count = 0;

    for (unsigned n = 0; n < METRIC_BUCKETS; n++) {
        count += metrics_value(m, a, n);
        (void)fprintf(out, "%s_bucket{%s=\"%s\",le=\"", i->prometheus, label, value);
        if (n < METRIC_BOUNDS)
            (void)fprintf(out, "%.6g\"} %" PRIu64 "\n", (double)metric_bounds[n] / US_A_SECOND,
                          count);
        else
            (void)fprintf(out, "+Inf\"} %" PRIu64 "\n", count);
    }
    (void)fprintf(out, "%s_sum{%s=\"%s\"} %.6f\n", i->prometheus, label, value,
                  (double)metrics_value(m, a, METRIC_SUM) / US_A_SECOND);
    (void)fprintf(out, "%s_count{%s=\"%s\"} %" PRIu64 "\n", i->prometheus, label, value, count);
}

static void put_metric(enum metric m, FILE *out) {
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    const struct metric_info *i = &metric_table[m];

    (void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", i->prometheus, i->help, i->prometheus,
                  kinds[i->kind]);
    for (unsigned a = 0; a < i->labels[0]->count; a++) {
        if (!metrics_label(i->labels[0], a))
            continue;
        if (i->kind == METRIC_HISTOGRAM) {
            put_histogram(m, a, out);
            continue;
        }
        for (unsigned b = 0; b < i->labels[1]->count; b++) {
            (void)fputs(i->prometheus, out);
            put_labels(i, a, b, out);
            (void)fputc(' ', out);
            put_number(i, metrics_exported(m, a, b), out);
            (void)fputc('\n', out);
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

/* ---- CloudWatch: the embedded metric format,
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/
 * CloudWatch_Embedded_Metric_Format_Specification.html
 *
 * A line has the metrics of one combination of dimensions. What did not happen is not sent: a
 * metric that is never sent is never paid for. A histogram goes out as up to 100 values, evenly
 * spread over its distribution: averages and percentiles come out right, and how many there were is
 * what Count and Invocations say. */

/* What happened since the last time, in one combination of one metric. */
struct change {
    uint64_t value;                   /* of a gauge: the value itself */
    uint64_t buckets[METRIC_BUCKETS]; /* of a histogram; value is their sum */
};

static uint64_t since(uint64_t *last, uint64_t now) {
    uint64_t n = now - *last;

    *last = now;
    return n;
}

static void take(uint64_t *cells, enum metric m, unsigned a, unsigned b, struct change *c) {
    uint64_t *last = cells + metrics_cell(m, a, b);

    c->value = 0;
    if (metric_table[m].kind == METRIC_HISTOGRAM) {
        for (unsigned n = 0; n < METRIC_BUCKETS; n++)
            c->value += c->buckets[n] = since(&last[n], metrics_value(m, a, n));
    } else if (metric_table[m].kind == METRIC_GAUGE) {
        c->value = metrics_exported(m, a, b);
    } else {
        c->value = since(last, metrics_exported(m, a, b));
    }
}

/* The value, in microseconds, below which `rank` of the values are. */
static double value_at(const struct change *c, double rank) {
    uint64_t below = 0;
    unsigned n = 0;
    double low, high;

    while (n < METRIC_BUCKETS - 1 && (double)(below + c->buckets[n]) < rank)
        below += c->buckets[n++];
    low = n ? (double)metric_bounds[n - 1] : 0;
    high = (double)metric_bounds[n < METRIC_BOUNDS ? n : METRIC_BOUNDS - 1];
    return c->buckets[n] ? low + (high - low) * (rank - (double)below) / (double)c->buckets[n]
                         : high;
}

static void put_values(const struct change *c, FILE *out) {
    uint64_t count = c->value < VALUES_MAX ? c->value : VALUES_MAX;

    for (uint64_t k = 0; k < count; k++) {
        double rank = ((double)k + 0.5) / (double)count * (double)c->value;

        (void)fprintf(out, "%s%.7g", k ? "," : "[", value_at(c, rank) / US_A_MS);
    }
    (void)fputc(']', out);
}

static bool sent(enum metric m, const struct metric_label *first,
                 const struct metric_label *second) {
    const struct metric_info *i = &metric_table[m];

    return i->cloudwatch && i->labels[0] == first && i->labels[1] == second;
}

struct line {
    const struct metric_label *first, *second;
    unsigned a, b;
    struct change changes[METRICS];
    bool there[METRICS];
};

/* Reads what the line would say. false: nothing. */
static bool gather(uint64_t *cells, struct line *l) {
    bool any = false;

    for (unsigned m = 0; m < METRICS; m++) {
        l->there[m] = false;
        if (!sent(m, l->first, l->second))
            continue;
        take(cells, m, l->a, l->b, &l->changes[m]);
        l->there[m] = l->changes[m].value > 0 || metric_table[m].kind == METRIC_GAUGE;
        any = any || l->there[m];
    }
    return any;
}

static void put_dimensions(const struct line *l, FILE *out) {
    (void)fputs("\"Dimensions\":[[", out);
    if (l->first->dimension)
        (void)fprintf(out, "\"%s\"", l->first->dimension);
    if (l->second->dimension)
        (void)fprintf(out, ",\"%s\"", l->second->dimension);
    (void)fputs("]]", out);
}

static void put_targets(const struct line *l, FILE *out) {
    if (l->first->dimension)
        (void)fprintf(out, ",\"%s\":\"%s\"", l->first->dimension, metrics_label(l->first, l->a));
    if (l->second->dimension)
        (void)fprintf(out, ",\"%s\":\"%s\"", l->second->dimension, metrics_label(l->second, l->b));
    for (unsigned m = 0; m < METRICS; m++) {
        const struct metric_info *i = &metric_table[m];

        if (!l->there[m])
            continue;
        (void)fprintf(out, ",\"%s\":", i->cloudwatch);
        if (i->kind == METRIC_HISTOGRAM)
            put_values(&l->changes[m], out);
        else
            put_number(i, l->changes[m].value, out);
    }
}

static void put_line(const struct line *l, int64_t now_ms, FILE *out) {
    const char *comma = "";

    (void)fprintf(out,
                  "{\"_aws\":{\"Timestamp\":%" PRId64
                  ",\"CloudWatchMetrics\":[{\"Namespace\":\"" METRIC_NAMESPACE "\",",
                  now_ms);
    put_dimensions(l, out);
    (void)fputs(",\"Metrics\":[", out);
    for (unsigned m = 0; m < METRICS; m++)
        if (l->there[m]) {
            (void)fprintf(out, "%s{\"Name\":\"%s\",\"Unit\":\"%s\"}", comma,
                          metric_table[m].cloudwatch, metric_table[m].unit);
            comma = ",";
        }
    (void)fputs("]}]}", out);
    put_targets(l, out);
    (void)fputs("}\n", out);
}

/* Whether an earlier metric has the same dimensions, so that its lines have this one too. */
static bool seen(enum metric m) {
    for (unsigned before = 0; before < m; before++)
        if (sent(before, metric_table[m].labels[0], metric_table[m].labels[1]))
            return true;
    return false;
}

void metrics_emf_write(uint64_t *cells, int64_t now_ms, FILE *out) {
    struct line *l = xcalloc(1, sizeof *l);

    for (unsigned m = 0; m < METRICS; m++) {
        l->first = metric_table[m].labels[0];
        l->second = metric_table[m].labels[1];
        if (!metric_table[m].cloudwatch || seen(m))
            continue;
        for (l->a = 0; l->a < l->first->count; l->a++)
            for (l->b = 0; l->b < l->second->count; l->b++)
                if (metrics_label(l->first, l->a) && gather(cells, l))
                    put_line(l, now_ms, out);
    }
    free(l);
}
