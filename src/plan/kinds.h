/* kinds - the one table of what a pipeline file can ask for as a feature, and of the cells behind
 * it.
 *
 * FEATURE_KINDS drives the parser, `freshet check`, the documentation and the tests; the aggregate
 * layer implements the cells and asserts their sizes. */
#ifndef FRESHET_PLAN_KINDS_H
#define FRESHET_PLAN_KINDS_H

/* What the key of a feature may stand for. Its options are the rows of settings_option. */
#define TAKES_FIELD  1u /* `kind: field` */
#define TAKES_TRUE   2u /* `kind: true` */
#define NEEDS_NUMBER 4u /* field: int64, double, decimal */
#define NEEDS_ORDER  8u /* field: a number or a timestamp */

/*      enumerator       spelled           takes */
#define FEATURE_KINDS(X)                                                                           \
    X(FEATURE_COUNT, "count", TAKES_TRUE | TAKES_FIELD)                                            \
    X(FEATURE_SUM, "sum", TAKES_FIELD | NEEDS_NUMBER)                                              \
    X(FEATURE_MEAN, "mean", TAKES_FIELD | NEEDS_NUMBER)                                            \
    X(FEATURE_MIN, "min", TAKES_FIELD | NEEDS_ORDER)                                               \
    X(FEATURE_MAX, "max", TAKES_FIELD | NEEDS_ORDER)                                               \
    X(FEATURE_DISTINCT, "distinct", TAKES_FIELD)                                                   \
    X(FEATURE_HISTOGRAM, "histogram", TAKES_FIELD)                                                 \
    X(FEATURE_VARIANCE, "variance", TAKES_FIELD | NEEDS_NUMBER)                                    \
    X(FEATURE_STDDEV, "stddev", TAKES_FIELD | NEEDS_NUMBER)                                        \
    X(FEATURE_FIRST, "first", TAKES_FIELD)                                                         \
    X(FEATURE_LAST, "last", TAKES_FIELD)                                                           \
    X(FEATURE_LIST, "list", TAKES_FIELD)                                                           \
    X(FEATURE_TOP, "top", TAKES_FIELD)                                                             \
    X(FEATURE_QUANTILE, "quantile", TAKES_FIELD | NEEDS_NUMBER)                                    \
    X(FEATURE_SINCE_PREVIOUS, "since_previous", TAKES_TRUE)

enum feature_kind {
#define X(enumerator, spelled, takes) enumerator,
    FEATURE_KINDS(X)
#undef X
        FEATURE_KIND_COUNT
};

/* A cell is the state of one aggregate in one pane: fixed size, 8-byte aligned, all zero when
 * empty.
 *
 *      enumerator       bytes  state */
#define CELL_KINDS(X)                                                                              \
    X(CELL_COUNT, 8)      /* events */                                                             \
    X(CELL_SUM_INT, 16)   /* 128-bit sum of int64 or scaled decimals */                            \
    X(CELL_SUM_DOUBLE, 8) /* sum in order of arrival */                                            \
    X(CELL_MEAN_INT, 24)  /* 128-bit sum and count */                                              \
    X(CELL_MEAN_DOUBLE, 16)                                                                        \
    X(CELL_MIN_INT, 16) /* value and whether there is one */                                       \
    X(CELL_MAX_INT, 16)                                                                            \
    X(CELL_MIN_DOUBLE, 16)                                                                         \
    X(CELL_MAX_DOUBLE, 16)                                                                         \
    X(CELL_DISTINCT, 8)  /* nothing, one hash, or a pointer to a set or a sketch */                \
    X(CELL_HISTOGRAM, 8) /* nothing or a pointer to counted values */                              \
    X(CELL_MOMENTS, 24)  /* count, mean, and sum of squared deviations from it */                  \
    X(CELL_FIRST, 8)     /* nothing or a pointer to the `limit` oldest events' values */           \
    X(CELL_LAST, 8)      /* the newest ones */                                                     \
    X(CELL_TOP, 8)       /* nothing or a pointer to the most frequent values */                    \
    X(CELL_QUANTILE, 8)  /* nothing or a pointer to a sketch of the distribution */

enum cell_kind {
#define X(enumerator, bytes) enumerator,
    CELL_KINDS(X)
#undef X
        CELL_KIND_COUNT
};

#endif
