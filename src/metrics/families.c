#include "metrics/families.h"

const struct metric_description metric_descriptions[FAMILY_COUNT] = {
#define X(id, name, type, labels, help) {name, METRIC_##type, labels, help},
    METRIC_FAMILIES(X)
#undef X
};
