/* exposition - metrics as text, in Prometheus' format (version 0.0.4).
 *
 * A family's samples stand together behind its head: exposition_family, then its samples. Label
 * values are given in the order of the family's label names. */
#ifndef FRESHET_METRICS_EXPOSITION_H
#define FRESHET_METRICS_EXPOSITION_H

#include "base/buf.h"
#include "base/hdr.h"
#include "metrics/families.h"

#define EXPOSITION_LABELS_MAX 4

struct exposition {
    struct buf *out;
    const struct metric_description *family;
    char labels[512]; /* of the samples to come: a="1",b="2" */
};

void exposition_family(struct exposition *text, enum metric_family family);

/* As many values as the family has labels. */
void exposition_labels(struct exposition *text, const char *const *values);

void exposition_uint(struct exposition *text, uint64_t value);
void exposition_int(struct exposition *text, int64_t value);
void exposition_double(struct exposition *text, double value);

/* Nanoseconds, shown as seconds, in buckets of 1, 2 and 5 from 1 us to 100 s. */
void exposition_hdr(struct exposition *text, const struct hdr *hdr);

#endif
