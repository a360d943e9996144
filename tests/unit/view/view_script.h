/* view_script - whole runs of a keyspace, written down: what happens, and what comes of it by the
 * definitions. */
#ifndef FRESHET_TESTS_VIEW_SCRIPT_H
#define FRESHET_TESTS_VIEW_SCRIPT_H

#include "view_store.h"

#define SAMPLES_MAX    100
#define STEPS_MAX      (SAMPLES_MAX * 4 + 10)
#define PARTITIONS_MAX 3

enum step_kind {
    STEP_EVENT,
    STEP_TELL,
    STEP_FIRE,
    STEP_FIRE_ALL,
    STEP_FINISH,
};

struct step {
    enum step_kind kind;
    const struct sample *sample; /* EVENT, with watermark_ms of its partition */
    int64_t watermark_ms;
    int64_t clock_ms;
    uint32_t budget;
};

/* A whole run: what happens, and what comes of it. */
struct script {
    struct spec spec;
    bool is_idle; /* the clock goes ahead: the order of amended rows is free */
    struct sample samples[SAMPLES_MAX];
    struct step steps[STEPS_MAX];
    size_t count;
    struct oracle oracle;
};

static struct script script;

static inline struct step *step_add(enum step_kind kind)
{
    struct step *step = &script.steps[script.count++];

    assert_true(script.count <= STEPS_MAX);
    *step = (struct step){.kind = kind};
    return step;
}

static inline void tell(int64_t watermark_ms, int64_t clock_ms)
{
    struct step *step = step_add(STEP_TELL);

    step->watermark_ms = watermark_ms;
    step->clock_ms = clock_ms;
    oracle_advance(&script.oracle, watermark_ms, clock_ms);
    for (uint64_t times = random_below(3); times > 0; times--)
        step_add(STEP_FIRE)->budget = (uint32_t)random_below(6);
}

static inline void give(const struct sample *sample, int64_t watermark_ms, int64_t clock_ms)
{
    struct step *step;

    if (oracle_is_late_for_all(&script.oracle, sample->time_ms,
                               MAX(watermark_ms, script.oracle.release_ms)))
        return;
    step = step_add(STEP_EVENT);
    step->sample = sample;
    step->watermark_ms = watermark_ms;
    if (script.spec.aligned)
        oracle_advance(&script.oracle, watermark_ms, clock_ms);
    oracle_event(&script.oracle, sample, watermark_ms);
}

/* Partitions of which none is silent: the watermark is the clock. */
static inline void write_steps(size_t count, int partitions)
{
    int64_t watermarks_ms[PARTITIONS_MAX] = {WATERMARK_NONE, WATERMARK_NONE, WATERMARK_NONE};
    int64_t least_ms = WATERMARK_NONE;

    for (size_t i = 0; i < count; i++) {
        const struct sample *sample = &script.samples[i];
        int64_t *watermark_ms = &watermarks_ms[sample->partition];

        give(sample, *watermark_ms, *watermark_ms);
        *watermark_ms = MAX(*watermark_ms, sample->time_ms - script.spec.out_of_orderness_ms);
        least_ms = watermarks_ms[0];
        for (int j = 1; j < partitions; j++)
            least_ms = MIN(least_ms, watermarks_ms[j]);
        if (random_chance(30))
            tell(least_ms, least_ms);
    }
    tell(least_ms, least_ms);
}

static inline void write_idle_steps(size_t count)
{
    int64_t watermark_ms = WATERMARK_NONE;
    int64_t clock_ms = WATERMARK_NONE;
    int64_t lead_max_ms = PICK(10, 50, 300);

    for (size_t i = 0; i < count; i++) {
        const struct sample *sample = &script.samples[i];

        give(sample, watermark_ms, clock_ms);
        watermark_ms = MAX(watermark_ms, sample->time_ms - script.spec.out_of_orderness_ms);
        clock_ms = MAX(clock_ms, watermark_ms);
        if (random_chance(30)) {
            if (random_chance(50))
                clock_ms += (int64_t)random_below((uint64_t)lead_max_ms);
            tell(watermark_ms, clock_ms);
        }
    }
    tell(clock_ms, clock_ms);
}

static inline void write_script_of(const struct spec *spec, bool is_idle)
{
    size_t count = random_below(SAMPLES_MAX);
    int partitions = spec->aligned || is_idle ? 1 : 1 + (int)random_below(PARTITIONS_MAX);

    script.count = 0;
    script.is_idle = is_idle;
    script.spec = *spec;
    random_samples(script.samples, count, partitions);
    oracle_init(&script.oracle, &script.spec);
    if (is_idle)
        write_idle_steps(count);
    else
        write_steps(count, partitions);
    step_add(STEP_FIRE_ALL);
}

static inline void write_script(bool aligned, bool is_idle)
{
    struct spec spec;

    random_spec(&spec, aligned);
    write_script_of(&spec, is_idle);
}

static inline void script_done(void)
{
    oracle_done(&script.oracle);
}

static inline void do_step(struct bench *bench, const struct step *step)
{
    switch (step->kind) {
    case STEP_EVENT:
        bench_event(bench, step->sample, step->watermark_ms);
        bench_apply(bench);
        return;
    case STEP_TELL:
        keyspace_advance(bench->keyspace, step->watermark_ms, step->clock_ms);
        return;
    case STEP_FIRE:
        keyspace_fire(bench->keyspace, step->budget);
        return;
    case STEP_FIRE_ALL:
        bench_fire_all(bench);
        return;
    case STEP_FINISH:
        bench_finish(bench);
        return;
    }
}

static inline int compare_rows(const void *a, const void *b)
{
    const struct spec_row *left = a;
    const struct spec_row *right = b;

    if (left->end_ms != right->end_ms)
        return left->end_ms < right->end_ms ? -1 : 1;
    return (left->revision > right->revision) - (left->revision < right->revision);
}

#endif
