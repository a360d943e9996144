#include "bench/report.h"

#include <errno.h>

SHAPE_DEFINE_ALL(REPORT_SHAPES)

#define POINTER(of_, members_) &shape_##of_,
const struct shape *const report_shapes[] = {REPORT_SHAPES(POINTER)};
const uint32_t report_shape_count = ARRAY_LEN(report_shapes);

void report_init(struct bench_report *report)
{
    shape_clear(&shape_report, report);
    report->kind = REPORT_KIND;
    report->schema = REPORT_SCHEMA;
    report->version = FRESHET_VERSION;
}

void report_write(const struct bench_report *report, struct buf *out)
{
    shape_write(&shape_report, report, out);
    buf_append_char(out, '\n');
}

int report_read(struct slice json, struct plan_memory *memory, struct bench_report *ret,
                struct err *err)
{
    int error = shape_read(&shape_report, json, memory, ret, err);

    if (error)
        return error;
    if (!ret->kind || strcmp(ret->kind, REPORT_KIND) != 0)
        return err_set(err, -EINVAL, "not a report of freshet bench: its kind is not \"%s\"",
                       REPORT_KIND);
    if (ret->schema != REPORT_SCHEMA)
        return err_set(err, -EINVAL, "a report of schema %lld; this freshet reads schema %d",
                       (long long)ret->schema, REPORT_SCHEMA);
    return 0;
}
