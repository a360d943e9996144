/* Metrics as text, read back by the rules of Prometheus' text format (version 0.0.4). */
#include <float.h>
#include <math.h>

#include "../support/testing.h"
#include "metrics/exposition.h"

#define SAMPLES_MAX 2000
#define LABELS_MAX  8

/* One line of samples. */
struct metric_sample {
    char name[100];
    char label_names[LABELS_MAX][60];
    char label_values[LABELS_MAX][600];
    int label_count;
    double value;
    char value_text[60];
};

/* What a page says. */
struct page {
    struct metric_sample samples[SAMPLES_MAX];
    int count;
    char family[100]; /* of the TYPE line before the samples */
    char type[20];
    int families;
};

static struct page page;

static bool is_name_char(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
           (!first && c >= '0' && c <= '9');
}

static const char *take_name(const char *at, char *out)
{
    size_t len = 0;

    while (is_name_char(at[len], len == 0))
        len++;
    assert_true(len > 0 && len < 60);
    memcpy(out, at, len);
    out[len] = '\0';
    return at + len;
}

/* Behind the opening quote; returns what is behind the closing one. */
static const char *take_label_value(const char *at, char *out)
{
    for (; *at != '"'; at++) {
        assert_true(*at != '\0' && *at != '\n');
        if (*at == '\\') {
            at++;
            assert_true(*at == '\\' || *at == '"' || *at == 'n');
            *out++ = *at == 'n' ? '\n' : *at;
        } else {
            *out++ = *at;
        }
    }
    *out = '\0';
    return at + 1;
}

static const char *take_labels(const char *at, struct metric_sample *sample)
{
    if (*at != '{')
        return at;
    at++;
    while (*at != '}') {
        assert_true(sample->label_count < LABELS_MAX);
        at = take_name(at, sample->label_names[sample->label_count]);
        assert_memory_equal(at, "=\"", 2);
        at = take_label_value(at + 2, sample->label_values[sample->label_count++]);
        if (*at == ',')
            at++;
        else
            assert_int_equal(*at, '}');
    }
    return at + 1;
}

static void take_sample(const char *line)
{
    struct metric_sample *sample = &page.samples[page.count++];
    char *end;

    assert_true(page.count < SAMPLES_MAX);
    memset(sample, 0, sizeof(*sample));
    const char *at = take_labels(take_name(line, sample->name), sample);
    assert_int_equal(*at, ' ');
    snprintf(sample->value_text, sizeof(sample->value_text), "%s", at + 1);
    sample->value = strtod(at + 1, &end);
    assert_true(end > at + 1 && *end == '\0');
    assert_memory_equal(sample->name, page.family, strlen(page.family));
}

static void take_line(const char *line)
{
    if (strncmp(line, "# HELP ", 7) == 0) {
        const char *at = take_name(line + 7, page.family);

        assert_true(*at == ' ' && at[1] != '\0');
        page.type[0] = '\0';
        page.families++;
    } else if (strncmp(line, "# TYPE ", 7) == 0) {
        char name[100];
        const char *at = take_name(line + 7, name);

        assert_string_equal(name, page.family); /* HELP and TYPE stand together */
        assert_int_equal(*at, ' ');
        snprintf(page.type, sizeof(page.type), "%s", at + 1);
    } else {
        assert_true(page.type[0] != '\0');
        take_sample(line);
    }
}

static void read_page(struct buf *out)
{
    char line[4000];

    memset(&page, 0, sizeof(page));
    for (const char *at = buf_string(out); *at;) {
        size_t len = strcspn(at, "\n");

        assert_int_equal(at[len], '\n');
        assert_true(len > 0 && len < sizeof(line));
        memcpy(line, at, len);
        line[len] = '\0';
        take_line(line);
        at += len + 1;
    }
}

static void plain_samples_have_their_labels_and_values(void **state)
{
    struct buf out = {0};
    struct exposition text = {.out = &out};

    (void)state;
    exposition_family(&text, FAMILY_RECORDS);
    exposition_labels(&text, (const char *[]){"3", "events"});
    exposition_uint(&text, UINT64_MAX);
    exposition_labels(&text, (const char *[]){"", "a\\b\"c\nd"});
    exposition_uint(&text, 0);
    exposition_family(&text, FAMILY_UPTIME);
    exposition_double(&text, 0.25);
    exposition_int(&text, INT64_MIN);
    read_page(&out);
    assert_int_equal(page.families, 2);
    assert_int_equal(page.count, 4);
    assert_string_equal(page.samples[0].name, "freshet_records_total");
    assert_string_equal(page.samples[0].label_names[0], "shard");
    assert_string_equal(page.samples[0].label_values[0], "3");
    assert_string_equal(page.samples[0].label_names[1], "source");
    assert_string_equal(page.samples[0].label_values[1], "events");
    assert_int_equal(page.samples[0].label_count, 2);
    assert_string_equal(page.samples[0].value_text, "18446744073709551615");
    assert_string_equal(page.samples[1].label_values[0], "");
    assert_string_equal(page.samples[1].label_values[1], "a\\b\"c\nd");
    assert_int_equal(page.samples[2].label_count, 0);
    assert_true(page.samples[2].value == 0.25);
    assert_string_equal(page.samples[3].value_text, "-9223372036854775808");
    buf_free(&out);
}

/* Values that find no room are cut, not the text broken. */
static void long_labels_are_cut(void **state)
{
    char value[600];
    struct buf out = {0};

    (void)state;
    for (size_t len = 0; len < sizeof(value); len += 1 + len / 50) {
        struct exposition text = {.out = &out};

        memset(value, len % 2 ? '"' : 'x', len);
        value[len] = '\0';
        buf_reset(&out);
        exposition_family(&text, FAMILY_DEAD_LETTERS);
        exposition_labels(&text, (const char *[]){value, value, value});
        exposition_uint(&text, len);
        read_page(&out);
        assert_int_equal(page.count, 1);
        assert_true(page.samples[0].value == (double)len);
        if (len < 60)
            assert_string_equal(page.samples[0].label_values[2], value);
    }
    buf_free(&out);
}

static void every_family_keeps_to_the_rules(void **state)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    struct buf out = {0};
    struct exposition text = {.out = &out};

    (void)state;
    for (int family = 0; family < FAMILY_COUNT; family++) {
        const struct metric_description *about = &metric_descriptions[family];
        size_t len = strlen(about->name);
        bool is_total = len > 6 && strcmp(about->name + len - 6, "_total") == 0;

        buf_reset(&out);
        exposition_family(&text, (enum metric_family)family);
        exposition_uint(&text, 1);
        read_page(&out);
        assert_string_equal(page.family, about->name);
        assert_string_equal(page.type, types[about->type]);
        assert_memory_equal(about->name, "freshet_", 8);
        assert_int_equal(is_total, about->type == METRIC_COUNTER);
        for (int other = 0; other < family; other++)
            assert_string_not_equal(about->name, metric_descriptions[other].name);
    }
    buf_free(&out);
}

static struct hdr hdr;

/* The bound of a histogram's bucket, in seconds. */
static double bound_of(const struct metric_sample *sample)
{
    const char *text = sample->label_values[sample->label_count - 1];

    assert_string_equal(sample->label_names[sample->label_count - 1], "le");
    return strcmp(text, "+Inf") == 0 ? INFINITY : strtod(text, NULL);
}

/* A recorded value counts at the latest in the bucket of a 64th more. */
static void check_buckets(const int64_t *values, size_t count)
{
    double bound_before = 0;
    double value_before = 0;
    int i = 0;

    for (; page.samples[i].label_count == 3; i++) {
        const struct metric_sample *sample = &page.samples[i];
        double bound = bound_of(sample);
        double least = 0;
        double most = 0;

        ENSURE(strcmp(sample->name, "freshet_stage_seconds_bucket") == 0);
        for (size_t j = 0; j < count; j++) {
            double seconds = (double)values[j] * 1e-9;

            most += seconds <= bound * (1 + 1e-12);
            least += seconds * (1 + 1.0 / 64) + 1e-9 <= bound;
        }
        ENSURE(bound > bound_before && sample->value >= value_before);
        ENSURE(sample->value >= least && sample->value <= most);
        bound_before = bound;
        value_before = sample->value;
    }
    ENSURE(i >= 10 && isinf(bound_before));
    ENSURE(value_before == (double)count);
    ENSURE_INT(page.count, i + 2);
}

static void histograms_are_cumulative_and_hold_what_was_recorded(void **state)
{
    int64_t values[300];
    struct buf out = {0};

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(100); NEXT_SEED) {
        size_t count = random_below(ARRAY_LEN(values));
        struct exposition text = {.out = &out};
        double sum = 0;

        memset(&hdr, 0, sizeof(hdr));
        for (size_t i = 0; i < count; i++) {
            values[i] = (int64_t)(random_bits() & HDR_VALUE_MAX);
            if (random_chance(20)) /* at the bounds themselves */
                values[i] = (int64_t)(1 + random_below(5)) *
                            (int64_t)pow(10, (double)random_below(12));
            values[i] = MIN(values[i], HDR_VALUE_MAX);
            hdr_record(&hdr, values[i], 1);
            sum += (double)values[i] * 1e-9;
        }
        buf_reset(&out);
        exposition_family(&text, FAMILY_STAGE);
        exposition_labels(&text, (const char *[]){"0", "decode"});
        exposition_hdr(&text, &hdr);
        read_page(&out);
        check_buckets(values, count);
        const struct metric_sample *total = &page.samples[page.count - 2];

        ENSURE(strcmp(total[0].name, "freshet_stage_seconds_sum") == 0 && total->label_count == 2);
        ENSURE(fabs(total[0].value - sum) <= 1e-6 * sum);
        ENSURE(strcmp(total[1].name, "freshet_stage_seconds_count") == 0);
        ENSURE(total[1].value == (double)count);
    }
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_samples_have_their_labels_and_values),
        cmocka_unit_test(long_labels_are_cut),
        cmocka_unit_test(every_family_keeps_to_the_rules),
        cmocka_unit_test(histograms_are_cumulative_and_hold_what_was_recorded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
