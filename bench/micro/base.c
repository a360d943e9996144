/* Histograms of durations, and rings between threads. */
#include <pthread.h>
#include <sched.h>

#include "base/hdr.h"
#include "base/spsc.h"
#include "micro.h"

#define DURATIONS 4096
#define RING      1024
#define ITEMS     65536
#define BURST     64

struct hdr_bench {
    struct hdr hdr;
    int64_t ns[DURATIONS];
};

/* From 100 ns to some 100 ms, as many in each octave. */
static void *hdr_begin(const struct micro *micro)
{
    struct hdr_bench *bench = micro_calloc(sizeof(*bench));
    uint64_t random = 1;

    (void)micro;
    for (uint32_t i = 0; i < DURATIONS; i++) {
        uint64_t draw = micro_random(&random);

        bench->ns[i] = (int64_t)((100 + draw % 100) << (draw >> 32) % 20);
        hdr_record(&bench->hdr, bench->ns[i], 1);
    }
    return bench;
}

static void hdr_run(void *state)
{
    struct hdr_bench *bench = state;

    for (uint32_t i = 0; i < DURATIONS; i++)
        hdr_record(&bench->hdr, bench->ns[i], 1);
}

static void hdr_quantile_run(void *state)
{
    struct hdr_bench *bench = state;

    for (uint32_t i = 0; i < 16; i++)
        MICRO_USE(hdr_quantile(&bench->hdr, 0.99));
}

struct ring_bench {
    struct spsc there;
    _Atomic uint64_t received;
    uint64_t sent;
    pthread_t thread;
    bool has_thread;
};

static void *ring_begin(const struct micro *micro)
{
    struct ring_bench *bench = aligned_alloc(CACHE_LINE, sizeof(*bench));

    (void)micro;
    CHECK(bench);
    memset(bench, 0, sizeof(*bench));
    spsc_init(&bench->there, RING);
    return bench;
}

static void *ring_receive(void *context)
{
    struct ring_bench *bench = context;
    void *item;

    for (;;) {
        while (!(item = spsc_pop(&bench->there)))
            sched_yield();
        if (item == bench)
            return NULL;
        atomic_fetch_add_explicit(&bench->received, 1, memory_order_release);
    }
}

static void *ring_threads_begin(const struct micro *micro)
{
    struct ring_bench *bench = ring_begin(micro);

    CHECK(pthread_create(&bench->thread, NULL, ring_receive, bench) == 0);
    bench->has_thread = true;
    return bench;
}

static void ring_run(void *state)
{
    struct ring_bench *bench = state;

    for (uint32_t i = 0; i < ITEMS; i += BURST) {
        for (uint32_t j = 0; j < BURST; j++)
            CHECK(spsc_push(&bench->there, state));
        for (uint32_t j = 0; j < BURST; j++)
            MICRO_USE(spsc_pop(&bench->there));
    }
}

static void ring_threads_run(void *state)
{
    struct ring_bench *bench = state;

    for (uint32_t i = 0; i < ITEMS; i++) {
        while (!spsc_push(&bench->there, &bench->sent))
            sched_yield();
    }
    bench->sent += ITEMS;
    while (atomic_load_explicit(&bench->received, memory_order_acquire) < bench->sent)
        sched_yield();
}

static void ring_end(void *state)
{
    struct ring_bench *bench = state;

    if (bench->has_thread) {
        CHECK(spsc_push(&bench->there, bench));
        pthread_join(bench->thread, NULL);
    }
    spsc_done(&bench->there);
    free(bench);
}

static const struct micro benches[] = {
    {.name = "hdr/record",
     .batch = DURATIONS,
     .runs = 16,
     .begin = hdr_begin,
     .run = hdr_run,
     .end = free},
    {.name = "hdr/quantile",
     .batch = 16,
     .runs = 16,
     .begin = hdr_begin,
     .run = hdr_quantile_run,
     .end = free},
    {.name = "ring/push_pop", /* one thread: the instructions, without the cache lines' ways */
     .batch = ITEMS,
     .runs = 2,
     .begin = ring_begin,
     .run = ring_run,
     .end = ring_end},
    {.name = "ring/to_thread", /* the sender's time */
     .batch = ITEMS,
     .runs = 2,
     .has_thread = true,
     .begin = ring_threads_begin,
     .run = ring_threads_run,
     .end = ring_end},
};

const struct micro_table micro_base = {benches, ARRAY_LEN(benches)};
