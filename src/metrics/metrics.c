#include "metrics/metrics.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

/* Six steps a decade: a quantile is known to within half of itself at worst. */
#define DECADE(n) (n), 3 * (n) / 2, 2 * (n), 3 * (n), 5 * (n), 7 * (n)
const uint64_t metric_bounds[METRIC_BOUNDS] = {50,
                                               70,
                                               DECADE(100ULL),
                                               DECADE(1000ULL),
                                               DECADE(10000ULL),
                                               DECADE(100000ULL),
                                               DECADE(1000000ULL),
                                               DECADE(10000000ULL)};

#define CACHE_LINE 64
#define CELLS_A_LINE (CACHE_LINE / sizeof(uint64_t))

/* Memory of the process tree, as the log is: set before any worker exists, and in a worker once. */
static struct {
    _Atomic uint64_t *cells, *mine; /* NULL: not open */
    unsigned slots;
    size_t slot_cells;     /* a whole number of cache lines */
    size_t first[METRICS]; /* the cells of each metric in a slot */
    bool sharing;          /* other processes write to `mine` too */
} shm;

static enum metric_endpoint last_endpoint = ENDPOINT_OTHER;

/* The cells of one value of the first label. A histogram has one for each bucket, and one for its
 * sum; anything else has one for each value of the second label. */
static unsigned width(enum metric m) {
    return metric_table[m].kind == METRIC_HISTOGRAM ? METRIC_SUM + 1
                                                    : metric_table[m].labels[1]->count;
}

static size_t layout(void) {
    size_t n = 0;

    for (unsigned m = 0; m < METRICS; m++) {
        shm.first[m] = n;
        n += (size_t)metric_table[m].labels[0]->count * width(m);
    }
    return (n + CELLS_A_LINE - 1) / CELLS_A_LINE * CELLS_A_LINE;
}

static size_t bytes(void) {
    return (shm.slots + 2) * shm.slot_cells * sizeof *shm.cells;
}

static void count_lost_line(enum output_kind kind) {
    metrics_count(METRIC_LINES_LOST, kind);
}

bool metrics_open(unsigned slots) {
    void *p;

    shm.slots = slots;
    shm.slot_cells = layout();
    p = mmap(NULL, bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return false;
    shm.cells = p; /* zero bytes: nothing has happened */
    output_on_lost(count_lost_line);
    metrics_use_slot(slots);
    return true;
}

void metrics_close(void) {
    if (shm.cells)
        munmap(shm.cells, bytes());
    shm.cells = shm.mine = NULL;
}

void metrics_use_slot(unsigned slot) {
    if (shm.cells && slot <= shm.slots)
        shm.mine = shm.cells + slot * shm.slot_cells;
}

void metrics_use_shared_slot(void) {
    if (shm.cells)
        shm.mine = shm.cells + (shm.slots + 1) * shm.slot_cells;
    shm.sharing = true;
}

size_t metrics_cells(void) {
    return shm.slot_cells;
}

/* One out of range, which would be our bug, must not become a write elsewhere: it counts as the
 * first. */
size_t metrics_cell(enum metric m, unsigned a, unsigned b) {
    size_t row = a < metric_table[m].labels[0]->count ? a : 0;

    return shm.first[m] + row * width(m) + (b < width(m) ? b : 0);
}

/* Only this process writes to the cell, unless it shares one: no locked instruction is needed. */
static void grow(_Atomic uint64_t *cell, uint64_t n) {
    if (shm.sharing)
        atomic_fetch_add_explicit(cell, n, memory_order_relaxed);
    else
        atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + n,
                              memory_order_relaxed);
}

void metrics_add(enum metric m, unsigned a, unsigned b, uint64_t n) {
    if (shm.mine)
        grow(&shm.mine[metrics_cell(m, a, b)], n);
}

static unsigned bucket_of(uint64_t us) {
    unsigned low = 0, high = METRIC_BOUNDS; /* the first whose bound is not below us */

    while (low < high) {
        unsigned mid = (low + high) / 2;

        if (metric_bounds[mid] < us)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void metrics_time(enum metric m, unsigned label, uint64_t us) {
    metrics_add(m, label, bucket_of(us), 1);
    metrics_add(m, label, METRIC_SUM, us);
}

void metrics_gauge(enum metric m, unsigned label, uint64_t value) {
    if (shm.mine)
        atomic_store_explicit(&shm.mine[metrics_cell(m, label, 0)], value, memory_order_relaxed);
}

uint64_t metrics_now_us(void) {
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

enum metric_endpoint metrics_endpoint(unsigned group) {
    for (unsigned i = 0; i < ENDPOINT_OTHER; i++)
        if (group & 1U << i)
            return i;
    return ENDPOINT_OTHER;
}

void metrics_request(enum metric_endpoint endpoint, bool invoked, int status, uint64_t us) {
    last_endpoint = endpoint;
    metrics_count(METRIC_COUNT, endpoint);
    metrics_count2(METRIC_RESPONSES, endpoint, metrics_status_index(status));
    if (invoked) {
        metrics_count(METRIC_INVOCATIONS, endpoint);
        metrics_time(METRIC_DURATION, endpoint, us);
    }
    if (status >= 500) {
        metrics_count(METRIC_5XX, endpoint);
        if (invoked)
            metrics_count(METRIC_ERRORS, endpoint);
    } else if (status >= 400) {
        metrics_count(METRIC_4XX, endpoint);
        if (status == 429)
            metrics_count(METRIC_THROTTLES, endpoint);
    }
}

void metrics_latency(uint64_t us) {
    metrics_time(METRIC_LATENCY, last_endpoint, us);
}

uint64_t metrics_value(enum metric m, unsigned a, unsigned b) {
    size_t cell = metrics_cell(m, a, b);
    uint64_t n = 0;

    for (unsigned s = 0; shm.cells && s <= shm.slots + 1; s++)
        n += atomic_load_explicit(&shm.cells[s * shm.slot_cells + cell], memory_order_relaxed);
    return n;
}
