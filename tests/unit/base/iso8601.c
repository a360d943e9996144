/* Times as text: every day by a calendar of its own, times of day by timegm, and what is accepted
 * by a regular expression of the forms. */
#include "../support/testing.h"

#include <regex.h>
#include <time.h>

#include "../support/guarded.h"
#include "base/iso8601.h"

static int64_t parsed(const char *text)
{
    int64_t ms = -77;

    if (iso8601_parse(slice_of(text), &ms) != 0)
        fail_msg("seed %" PRIu64 ": \"%s\" is refused", test_seed, text);
    return ms;
}

static int days_of(int year, int month)
{
    bool leap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);

    return month == 2                                              ? (leap ? 29 : 28)
           : month == 4 || month == 6 || month == 9 || month == 11 ? 30
                                                                   : 31;
}

/* 0000-01-01 is 719528 days before 1970-01-01: 1970 years, of which 478 are leap years. */
static void every_day_has_its_number(void **state)
{
    int64_t number = -(1970 * 365 + 478);
    int64_t ms;
    char text[40];

    (void)state;
    for (int year = 0; year <= 9999; year++) {
        for (int month = 1; month <= 12; month++) {
            int days = days_of(year, month);

            for (int day = 1; day <= days; day++, number++) {
                /* Every day of some centuries, the ends of months of all. */
                if (day > 1 && day < days && (year < 1895 || year > 2105))
                    continue;
                snprintf(text, sizeof(text), "%04d-%02d-%02d", year, month, day);
                if (parsed(text) != number * 86400000)
                    fail_msg("%s is %" PRId64, text, parsed(text));
            }
            snprintf(text, sizeof(text), "%04d-%02d-%02d", year, month, days + 1);
            if (iso8601_parse(slice_of(text), &ms) != -EINVAL)
                fail_msg("%s is accepted", text);
        }
    }
}

struct time_case {
    const char *text;
    int64_t ms;
};

static void known_times(void **state)
{
    static const struct time_case cases[] = {
        {"1970-01-01", 0},
        {"1970-01-01T00:00:00Z", 0},
        {"1969-12-31T23:59:59.999Z", -1},
        {"2024-02-27T10:00:00.123Z", INT64_C(1709028000123)},
        {"2024-02-27 10:00:00+05:30", INT64_C(1709008200000)},
        {"2024-02-27T10:00", INT64_C(1709028000000)},
        {"2024-02-27T10:00:00.1239999", INT64_C(1709028000123)},
        {"2024-02-27T10:00:00.1", INT64_C(1709028000100)},
        {"2024-02-29T23:59:59-00:00", INT64_C(1709251199000)},
        {"2024-02-29T23:59:59-23:59", INT64_C(1709337539000)},
        {"9999-12-31T23:59:59.999Z", INT64_C(253402300799999)},
        {"0000-01-01T00:00:00+23:59", INT64_C(-62167305540000)},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (parsed(cases[i].text) != cases[i].ms)
            fail_msg("%s is %" PRId64 ", not %" PRId64, cases[i].text, parsed(cases[i].text),
                     cases[i].ms);
    }
}

/* Appends a random time of day and zone to the date. */
static int64_t random_time_of_day(char *text)
{
    int hour = (int)random_below(24), minute = (int)random_below(60), second = 0, ms = 0, zone = 0;
    int digits = (int)random_below(8);

    text += sprintf(text, "%c%02d:%02d", random_chance(80) ? 'T' : ' ', hour, minute);
    if (random_chance(80)) {
        second = (int)random_below(60);
        text += sprintf(text, ":%02d", second);
        if (digits > 0) {
            int fraction = (int)random_below(10000000);
            char spelled[8];

            snprintf(spelled, sizeof(spelled), "%07d", fraction);
            text += sprintf(text, ".%.*s", digits, spelled);
            ms = (spelled[0] - '0') * 100;
            ms += digits > 1 ? (spelled[1] - '0') * 10 : 0;
            ms += digits > 2 ? spelled[2] - '0' : 0;
        }
    }
    if (random_chance(50)) {
        int zone_hour = (int)random_below(24), zone_minute = (int)random_below(60);
        bool west = random_chance(50);

        sprintf(text, "%c%02d:%02d", west ? '-' : '+', zone_hour, zone_minute);
        zone = (zone_hour * 60 + zone_minute) * (west ? -1 : 1);
    } else if (random_chance(50)) {
        strcpy(text, "Z");
    }
    return ((hour * 60 + minute - zone) * INT64_C(60) + second) * 1000 + ms;
}

static void times_are_those_of_timegm(void **state)
{
    char text[64];

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(20000); NEXT_SEED) {
        struct tm tm = {.tm_year = (int)random_between(1, 9999) - 1900,
                        .tm_mon = (int)random_below(12),
                        .tm_mday = 1 + (int)random_below(28)};

        snprintf(text, sizeof(text), "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                 tm.tm_mday);
        int64_t wanted = random_time_of_day(text + 10) + (int64_t)timegm(&tm) * 1000;

        if (parsed(text) != wanted)
            fail_msg("seed %" PRIu64 ": %s is %" PRId64 ", not %" PRId64, test_seed, text,
                     parsed(text), wanted);
    }
}

static void what_does_not_exist_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "2024",
        "2024-02",
        "20240227",
        "2024-2-27",
        "2024-02-7",
        "2024-02-27T",
        "2024-02-27T1",
        "2024-02-27T10",
        "2024-02-27T10:",
        "2024-02-27T10:0",
        "2024-02-27T10:00:",
        "2024-02-27T10:00:0",
        "2024-02-27T10:00:00.",
        "2024-02-27T10:00:00.Z",
        "2024-02-27T10:00:00.5.5",
        "2024-02-27T10:00:00X",
        "2024-02-27T10:00:00Z ",
        " 2024-02-27",
        "2024-02-27 ",
        "2024-02-27Z",
        "2024-02-27+01:00",
        "2024-02-27T10:00:00+",
        "2024-02-27T10:00:00+1",
        "2024-02-27T10:00:00+24:00",
        "2024-02-27T10:00:00+05:60",
        "2024-02-27T10:00:00+05:3",
        "2024-02-27T10:00:00+05:30Z",
        "2024-02-27T10:00:00ZZ",
        "2024-02-27T24:00:00",
        "2024-02-27T23:60:00",
        "2024-02-27T23:59:60",
        "2016-12-31T23:59:60Z",
        "2024-00-10",
        "2024-13-10",
        "2024-01-00",
        "2024-01-32",
        "2023-02-29",
        "1900-02-29",
        "2100-02-29",
        "2024-02-30",
        "2024-04-31",
        "-2024-02-27",
        "+2024-02-27",
        "12024-02-27",
        "2024-02-27TT10:00",
        "2024-02-27T10.00",
        "2024/02/27",
        "1709028000123",
    };
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (iso8601_parse(slice_of(texts[i]), &ms) != -EINVAL)
            fail_msg("\"%s\" is accepted", texts[i]);
    }
    assert_int_equal(iso8601_parse((struct slice){"2024-02-27\0", 11}, &ms), -EINVAL);
}

/* The forms of ISO 8601's extended format, with the liberties of RFC 3339. */
static const char *const form = "^[0-9]{4}-[0-9]{2}-[0-9]{2}"
                                "([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?"
                                "([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)?)?$";

static void random_change(char *text)
{
    static const char bytes[] = "0123456789-:.+TZ ,tz9";
    size_t len = strlen(text);
    size_t at = (size_t)random_below(len + 1);

    if (random_chance(40) && at < len) {
        text[at] = bytes[random_below(sizeof(bytes) - 1)];
    } else if (random_chance(50) && at < len) {
        memmove(text + at, text + at + 1, len - at);
    } else if (len < 60) {
        memmove(text + at + 1, text + at, len - at + 1);
        text[at] = bytes[random_below(sizeof(bytes) - 1)];
    }
}

static void only_the_forms_are_accepted(void **state)
{
    struct guarded guarded = guarded_create(100);
    regex_t regex;
    char text[80];
    int64_t ms;

    (void)state;
    assert_int_equal(regcomp(&regex, form, REG_EXTENDED | REG_NOSUB), 0);
    for (FIRST_SEED; MORE_SEEDS(20000); NEXT_SEED) {
        strcpy(text, "2024-02-27");
        random_time_of_day(text + 10);
        for (uint64_t changes = random_below(4); changes > 0; changes--)
            random_change(text);
        int rc = iso8601_parse(guarded_copy(&guarded, slice_of(text)), &ms);

        if (rc == 0 && regexec(&regex, text, 0, NULL, 0) != 0)
            fail_msg("seed %" PRIu64 ": \"%s\" is accepted", test_seed, text);
    }
    regfree(&regex);
    guarded_free(&guarded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_day_has_its_number),
        cmocka_unit_test(known_times),
        cmocka_unit_test(times_are_those_of_timegm),
        cmocka_unit_test(what_does_not_exist_is_refused),
        cmocka_unit_test(only_the_forms_are_accepted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
