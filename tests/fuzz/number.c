/* Any bytes as a time or a number: nothing is read behind the end, and numbers are those of the C
 * library. */
#include "fuzz.h"

#include <errno.h>
#include <math.h>

#include "../unit/support/json_value.h"
#include "base/iso8601.h"
#include "base/text.h"
#include "decode/number.h"

/* Terminated. */
static void check_number(struct slice number, const char *text)
{
    double wanted = strtod(text, NULL);
    double value = 0;
    int64_t integer = 0;
    bool is_integer = strcspn(text, ".eE") == number.len;
    int rc = text_to_double(number, &value);

    CHECK(rc == (isinf(wanted) ? -ERANGE : 0));
    CHECK(rc != 0 || value == wanted);

    errno = 0;
    long long exact = strtoll(text, NULL, 10);
    rc = number_to_int64(number, &integer);
    CHECK(rc == (!is_integer ? -EINVAL : errno == ERANGE ? -ERANGE : 0));
    CHECK(rc != 0 || integer == exact);

    for (unsigned scale = 0; scale <= 18; scale++) {
        rc = number_to_scaled(number, scale, &integer);
        double scaled = wanted * pow(10, scale);

        CHECK(rc == 0 || rc == -ERANGE);
        CHECK(rc == 0 || fabs(scaled) > 9.2e18);
        CHECK(rc != 0 || fabs((double)integer - scaled) <= 1 + fabs(scaled) * 1e-14);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = exact_copy(data, size);
    struct slice text = {copy, size};
    struct json_value *json = json_value_of(text);
    int64_t ms = 0;
    double value = 0;
    int rc = iso8601_parse(text, &ms);

    CHECK(rc == 0 || rc == -EINVAL);
    CHECK(rc != 0 || (ms >= INT64_C(-62167392000000) && ms <= INT64_C(253402387200000)));
    rc = text_to_double(text, &value);
    CHECK(rc == 0 || rc == -EINVAL || rc == -ERANGE);
    if (json && json->kind == VALUE_NUMBER && json->raw.len == size) {
        char *terminated = strndup(copy, size);

        check_number(text, terminated);
        free(terminated);
    }
    json_value_free(json);
    free(copy);
    return 0;
}
