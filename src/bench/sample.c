#include "bench/sample.h"

#include <errno.h>

#include "base/clock.h"

struct row {
    const char *family;
    const char *label; /* or NULL */
    size_t offset;
};

#define ROW(family_, label_, member)                                                               \
    {                                                                                              \
        "freshet_" family_, label_, offsetof(struct engine_sample, member)                         \
    }
#define STAGE(name)                                                                                \
    ROW("checkpoint_stage_seconds_sum", "stage=\"" #name "\"", name##_s),                          \
        ROW("checkpoint_stage_seconds_count", "stage=\"" #name "\"", name##_count)

static const struct row rows[] = {
    ROW("records_total", NULL, records),
    ROW("record_bytes_total", NULL, record_bytes),
    ROW("events_total", NULL, events),
    ROW("dead_letters_total", NULL, dead_letters),
    ROW("late_events_total", NULL, late),
    ROW("rows_total", NULL, rows),
    ROW("keys", NULL, keys),
    ROW("state_bytes", NULL, state_bytes),
    ROW("arena_bytes", NULL, arena_bytes),
    ROW("process_resident_bytes", NULL, rss_bytes),
    ROW("process_cpu_seconds_total", NULL, cpu_s),
    ROW("shard_seconds_total", NULL, shard_s),
    ROW("backpressure_seconds_total", NULL, backpressure_s),
    ROW("stage_seconds_sum", "stage=\"decode\"", decode_s),
    ROW("stage_seconds_sum", "stage=\"apply\"", apply_s),
    ROW("stage_seconds_sum", "stage=\"turn\"", turn_s),
    ROW("lag_records", NULL, lag_events),
    ROW("redis_rows_total", "outcome=\"taken\"", redis_taken),
    ROW("redis_commands_total", NULL, redis_commands),
    ROW("redis_sent_bytes_total", NULL, redis_sent_bytes),
    ROW("redis_dirty_keys", NULL, redis_dirty),
    ROW("redis_in_flight", NULL, redis_in_flight),
    ROW("checkpoint_store_memory_bytes", NULL, store_memory_bytes),
    ROW("checkpoint_store_disk_bytes", NULL, store_disk_bytes),
    ROW("checkpoints_total", "outcome=\"done\"", checkpoints_done),
    ROW("checkpoint_bytes_total", NULL, checkpoint_bytes),
    ROW("awaiting_commit", NULL, awaiting_commit),
    ROW("replaying", NULL, replaying),
    STAGE(align),
    STAGE(capture),
    STAGE(freeze),
    STAGE(commit),
    STAGE(total),
};

/* One sample: name{labels} value. */
struct line {
    struct slice name;
    struct slice labels;
    double value;
};

/* The next sample of the page into *ret; comments are passed over. False at the end. Label values
 * are the engine's own: none of those looked for has a quote or brace in it. */
static bool line_next(struct slice *page, struct line *ret)
{
    while (page->len > 0) {
        const char *text = page->data;
        const char *end = memchr(text, '\n', page->len);
        const char *stop = end ? end : text + page->len;
        const char *name = text;
        const char *value;

        page->data = end ? end + 1 : stop;
        page->len -= (size_t)(page->data - text);
        while (name < stop && *name != '{' && *name != ' ')
            name++;
        value = stop;
        while (value > name && value[-1] != ' ')
            value--;
        if (name == text || *text == '#' || value == name)
            continue;
        *ret = (struct line){
            .name = {text, (size_t)(name - text)},
            .labels = {name, (size_t)(value - name)},
            .value = strtod(value, NULL), /* a line feed or the page's NUL ends it */
        };
        return true;
    }
    return false;
}

static bool is_of(const struct line *line, const char *family, const char *label)
{
    return slice_equal(line->name, slice_of(family)) &&
           (!label || memmem(line->labels.data, line->labels.len, label, strlen(label)));
}

void sample_read(struct slice page, struct engine_sample *ret)
{
    struct line line;

    *ret = (struct engine_sample){.at_ns = clock_monotonic_ns()};
    while (line_next(&page, &line)) {
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            if (is_of(&line, rows[i].family, rows[i].label))
                *(double *)((char *)ret + rows[i].offset) += line.value;
        }
    }
}

double sample_family(struct slice page, const char *family, const char *label)
{
    struct line line;
    double sum = 0;

    while (line_next(&page, &line)) {
        if (is_of(&line, family, label))
            sum += line.value;
    }
    return sum;
}

/* "[top,count]" and the comma behind it. NULL: something else stands there. */
static const char *bucket_take(const char *at, struct hdr *hdr)
{
    char *end;
    long long top;
    unsigned long long count;

    if (*at != '[')
        return NULL;
    top = strtoll(at + 1, &end, 10);
    if (*end != ',' || top < 0 || top > HDR_VALUE_MAX)
        return NULL;
    count = strtoull(end + 1, &end, 10);
    if (*end != ']')
        return NULL;
    hdr_add_relaxed(&hdr->buckets[hdr_bucket_of(top)], count);
    hdr_add_relaxed(&hdr->count, count);
    atomic_store(&hdr->max, (uint64_t)top);
    return end + 1 + (end[1] == ',');
}

int sample_histogram(struct slice page, const char *stage, struct hdr *ret)
{
    static const char sum_name[] = "\"sum_ns\":";
    static const char buckets_name[] = ",\"buckets\":[";
    char head[64];
    const char *at;
    char *end;

    memset(ret, 0, sizeof(*ret));
    snprintf(head, sizeof(head), "\"%s\":{%s", stage, sum_name);
    at = memmem(page.data, page.len, head, strlen(head));
    if (!at)
        return -EBADMSG;
    atomic_store(&ret->sum, strtoull(at + strlen(head), &end, 10));
    if (strncmp(end, buckets_name, strlen(buckets_name)) != 0)
        return -EBADMSG;
    for (at = end + strlen(buckets_name); at && *at != ']';)
        at = bucket_take(at, ret);
    return at ? 0 : -EBADMSG;
}

void histogram_less(const struct hdr *later, const struct hdr *earlier, struct hdr *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (unsigned i = 0; i < HDR_BUCKETS; i++) {
        uint64_t count = atomic_load(&later->buckets[i]) - atomic_load(&earlier->buckets[i]);

        if (!count)
            continue;
        atomic_store(&ret->buckets[i], count);
        hdr_add_relaxed(&ret->count, count);
        atomic_store(&ret->max, (uint64_t)hdr_bucket_top(i));
    }
    atomic_store(&ret->sum, atomic_load(&later->sum) - atomic_load(&earlier->sum));
}
