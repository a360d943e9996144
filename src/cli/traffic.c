#include "cli/traffic.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "base/hash.h"
#include "base/text.h"

#define POWER         2.2    /* of the law that draws users */
#define LATE_BY_MS    180000 /* beyond out-of-orderness and lateness of the examples */
#define BEHIND_MAX_MS 55000

static const struct {
    const char *name;
    const char *topic;
} settings[TRAFFIC_SETTING_COUNT] = {
    [TRAFFIC_USER_ACTIVITY] = {"user_activity", "user_events"},
    [TRAFFIC_SESSION_FEATURES] = {"session_features", "click_events"},
    [TRAFFIC_FRAUD] = {"fraud", "transactions"},
};

static const char *const categories[] = {"shoes",   "toys",  "books",       "garden",
                                         "kitchen", "music", "electronics", "sports"};
static const char *const referrers[] = {"google_search", "newsletter", "direct", "social"};

int traffic_setting_parse(const char *name, enum traffic_setting *ret)
{
    for (int i = 0; i < TRAFFIC_SETTING_COUNT; i++) {
        if (strcmp(settings[i].name, name) == 0) {
            *ret = (enum traffic_setting)i;
            return 0;
        }
    }
    return -EINVAL;
}

const char *traffic_topic(enum traffic_setting setting)
{
    return settings[setting].topic;
}

void traffic_init(struct traffic *traffic, const struct traffic_options *options)
{
    CHECK(options->users > 0 && options->events > 0);
    *traffic = (struct traffic){.options = *options, .state = hash64_int(options->seed)};
}

void traffic_done(struct traffic *traffic)
{
    buf_free(&traffic->key);
    buf_free(&traffic->value);
}

static uint64_t random_next(struct traffic *traffic)
{
    return hash64_int(traffic->state++);
}

static uint32_t random_below(struct traffic *traffic, uint32_t limit)
{
    return (uint32_t)((random_next(traffic) >> 32) * limit >> 32);
}

static double random_unit(struct traffic *traffic)
{
    return (double)(random_next(traffic) >> 11) * 0x1p-53;
}

static const char *pick(struct traffic *traffic, const char *const *names, size_t count)
{
    return names[random_below(traffic, (uint32_t)count)];
}

static int64_t event_time(struct traffic *traffic, int64_t now_ms)
{
    uint32_t lot = random_below(traffic, 1000);

    if (lot < 2)
        return now_ms - LATE_BY_MS - random_below(traffic, LATE_BY_MS);
    if (lot < 100)
        return now_ms - random_below(traffic, BEHIND_MAX_MS);
    return now_ms - random_below(traffic, 1000);
}

static void write_user_activity(struct traffic *traffic, uint32_t user, int64_t time_ms)
{
    static const char *const types[] = {"page_view", "page_view", "page_view",   "click",
                                        "click",     "search",    "add_to_cart", "purchase"};
    const char *type = pick(traffic, types, ARRAY_LEN(types));
    uint32_t page = random_below(traffic, 40);
    uint32_t product = random_below(traffic, 300);

    buf_printf(&traffic->value,
               "{\"user_id\":\"user_%" PRIu32 "\",\"event_type\":\"%s\",\"timestamp\":%" PRId64
               ",\"properties\":{\"page\":\"/%s/%" PRIu32 "\",\"referrer\":\"%s\","
               "\"session_duration_ms\":%" PRIu32 ",\"product_id\":\"product-%05" PRIu32
               "\"},\"device\":\"%s\"}",
               user, type, time_ms, page < 30 ? "product" : "category", page,
               pick(traffic, referrers, ARRAY_LEN(referrers)), random_below(traffic, 600000),
               product, user % 3 ? "mobile" : "desktop");
}

static void write_session_features(struct traffic *traffic, uint32_t user, int64_t time_ms)
{
    uint32_t item = random_below(traffic, 5000);

    buf_printf(&traffic->value,
               "{\"user_id\":\"user_%" PRIu32 "\",\"item_id\":\"sku-%" PRIu32
               "\",\"category\":\"%s\",\"timestamp\":%" PRId64 ".%03d,"
               "\"position\":%" PRIu32 ",\"query\":\"%s for %s\",\"app_version\":\"5.%" PRIu32
               ".1\",\"session\":\"%016" PRIx64 "\"}",
               user, item, categories[item % ARRAY_LEN(categories)], time_ms / 1000,
               (int)(time_ms % 1000), random_below(traffic, 50),
               pick(traffic, categories, ARRAY_LEN(categories)),
               pick(traffic, categories, ARRAY_LEN(categories)), user % 10, random_next(traffic));
}

static void write_fraud(struct traffic *traffic, uint32_t user, int64_t time_ms)
{
    static const char *const types[] = {"purchase", "purchase",  "purchase",    "login",
                                        "login",    "page_view", "login_failed"};
    const char *type = pick(traffic, types, ARRAY_LEN(types));

    buf_printf(&traffic->value,
               "{\"user_id\":\"user_%" PRIu32 "\",\"event_type\":\"%s\",\"timestamp\":%" PRId64,
               user, type, time_ms);
    if (strcmp(type, "purchase") == 0)
        buf_printf(&traffic->value,
                   ",\"amount\":%" PRIu32 ".%02" PRIu32 ",\"merchant\":\"merchant_%" PRIu32
                   "\",\"category\":\"%s\"",
                   random_below(traffic, 400) + 1, random_below(traffic, 100),
                   random_below(traffic, 2000), pick(traffic, categories, ARRAY_LEN(categories)));
    buf_printf(&traffic->value,
               ",\"ip\":\"10.%" PRIu32 ".%" PRIu32 ".%" PRIu32
               "\",\"country\":\"%s\",\"user_agent\":\"app/%" PRIu32 ".%" PRIu32 "\"}",
               user % 256, random_below(traffic, 256), random_below(traffic, 256),
               user % 5 ? "DE" : "FR", user % 9, random_below(traffic, 20));
}

static void write_event(struct traffic *traffic, uint32_t user, int64_t time_ms)
{
    switch (traffic->options.setting) {
    case TRAFFIC_USER_ACTIVITY:
        write_user_activity(traffic, user, time_ms);
        return;
    case TRAFFIC_SESSION_FEATURES:
        write_session_features(traffic, user, time_ms);
        return;
    case TRAFFIC_FRAUD:
        write_fraud(traffic, user, time_ms);
        return;
    case TRAFFIC_SETTING_COUNT:
        break;
    }
    UNREACHABLE();
}

bool traffic_next(struct traffic *traffic, struct traffic_event *ret)
{
    const struct traffic_options *options = &traffic->options;
    uint64_t number = traffic->next;
    uint32_t user;

    if (number == options->events)
        return false;
    traffic->next++;
    user = (uint32_t)(options->users * pow(random_unit(traffic), POWER));
    ret->now_ms = options->start_ms +
                  (int64_t)((double)options->span_ms * (double)number / (double)options->events);
    buf_reset(&traffic->key);
    buf_reset(&traffic->value);
    buf_printf(&traffic->key, "user_%" PRIu32, user);
    write_event(traffic, user, event_time(traffic, ret->now_ms));
    if (random_below(traffic, 5000) == 0)
        traffic->value.len /= 2; /* a producer that was cut off */
    ret->key = buf_slice(&traffic->key);
    ret->value = buf_slice(&traffic->value);
    return true;
}
