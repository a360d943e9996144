/* What the files that write /metrics share: see report.h for the whole. */
#ifndef FRESHET_ADMIN_PAGE_H
#define FRESHET_ADMIN_PAGE_H

#include "engine/engine.h"
#include "metrics/exposition.h"

/* What every family's writer needs. */
struct page {
    struct engine *engine;
    const struct fleet *fleet;
    const struct plan *plan;
    struct exposition text;
    int64_t now_ms;
};

/* A family of one sample. */
void page_one(struct page *page, enum metric_family family, double value);

/* A sample of a family whose first label is the shard; other labels may be NULL. */
void page_sample(struct page *page, uint32_t shard, const char *second, const char *third,
                 uint64_t value);

/* page_edges.c */
void page_redis(struct page *page);
void page_fetch(struct page *page);
void page_feature_topic(struct page *page);

#endif
