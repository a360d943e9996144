/* line_watch - which cache lines are written by the threads of two shards.
 *
 *   address ──/ 64──▶ shadow word [ shard | who: the place in the program that wrote last ]
 *
 * For a build of its own (FRESHET_WATCH_LINES). The compiler puts a call before each write, as for
 * ThreadSanitizer, and this file takes the place of ThreadSanitizer's library: a write by another
 * shard than the last one that wrote to the line is a handover, counted by the two places. Copies
 * by memcpy and its kind are wrapped by the linker. Other libraries' writes and the kernel's are
 * not seen.
 *
 * FRESHET_WATCH_LINES=PATH in the environment: watches from when PATH.begin is there until PATH.end
 * is, then writes PATH: "handovers address place shard place shard", places relative to the
 * program's beginning. tests/integration/sharing.py judges. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ADDRESS_BITS 47
#define LINE_BITS    6
#define SHARD_SHIFT  48
#define FOUND_MAX    4096
#define POLL_US      20000

#define PLACE()      ((uintptr_t)__builtin_return_address(0))

struct found {
    uint64_t before; /* shadow words */
    uint64_t after;
    uintptr_t address; /* the last one */
    uint64_t handovers;
};

extern const char __executable_start[];

static _Atomic uint64_t *shadow;
static atomic_bool is_watching;
static __thread uint64_t self; /* the shard's number + 1; 0: no shard's thread */
static atomic_flag lock = ATOMIC_FLAG_INIT;
static struct found found[FOUND_MAX];
static size_t found_count;

static void note(uintptr_t address, uint64_t before, uint64_t after)
{
    size_t i = 0;

    while (atomic_flag_test_and_set(&lock))
        ;
    while (i < found_count && (found[i].before != before || found[i].after != after))
        i++;
    if (i == found_count && found_count < FOUND_MAX)
        found[found_count++] = (struct found){.before = before, .after = after};
    if (i < found_count) {
        found[i].address = address;
        found[i].handovers++;
    }
    atomic_flag_clear(&lock);
}

static void wrote(uintptr_t address, size_t size, uintptr_t place)
{
    if (self == 0 || size == 0 || !atomic_load_explicit(&is_watching, memory_order_relaxed))
        return;

    uint64_t word = self << SHARD_SHIFT | (place - (uintptr_t)__executable_start);

    for (uintptr_t line = address >> LINE_BITS; line <= (address + size - 1) >> LINE_BITS; line++) {
        uint64_t before = atomic_exchange_explicit(&shadow[line], word, memory_order_relaxed);

        if (before && before >> SHARD_SHIFT != self)
            note(address, before, word);
    }
}

static void report(const char *path)
{
    FILE *out = fopen(path, "w");

    for (size_t i = 0; out && i < found_count; i++) {
        uint64_t mask = (UINT64_C(1) << SHARD_SHIFT) - 1;

        fprintf(out, "%llu %#llx %#llx %llu %#llx %llu\n", (unsigned long long)found[i].handovers,
                (unsigned long long)found[i].address, (unsigned long long)(found[i].before & mask),
                (unsigned long long)(found[i].before >> SHARD_SHIFT) - 1,
                (unsigned long long)(found[i].after & mask),
                (unsigned long long)(found[i].after >> SHARD_SHIFT) - 1);
    }
    if (out)
        fclose(out);
}

static void await_file(const char *path, const char *end)
{
    char name[4096];

    snprintf(name, sizeof(name), "%s%s", path, end);
    while (access(name, F_OK) != 0)
        usleep(POLL_US);
}

static void *watch(void *path)
{
    await_file(path, ".begin");
    atomic_store(&is_watching, true);
    await_file(path, ".end");
    atomic_store(&is_watching, false);
    usleep(POLL_US); /* a write that had begun */
    report(path);
    return NULL;
}

__attribute__((constructor)) static void watch_start(void)
{
    char *path = getenv("FRESHET_WATCH_LINES");
    size_t bytes = sizeof(*shadow) << (ADDRESS_BITS - LINE_BITS);
    pthread_t thread;
    sigset_t all, before;

    if (!path)
        return;
    /* Pages that nobody writes to take no memory, and neither do their shadow's. */
    shadow = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                  -1, 0);
    if (shadow == MAP_FAILED) {
        perror("line_watch");
        exit(1);
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, watch, path) != 0)
        exit(1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- what the linker wraps */

int __real_pthread_setname_np(pthread_t thread, const char *name);
int __wrap_pthread_setname_np(pthread_t thread, const char *name);
void *__real_memcpy(void *to, const void *from, size_t size);
void *__wrap_memcpy(void *to, const void *from, size_t size);
void *__real_memmove(void *to, const void *from, size_t size);
void *__wrap_memmove(void *to, const void *from, size_t size);
void *__real_memset(void *to, int byte, size_t size);
void *__wrap_memset(void *to, int byte, size_t size);

int __wrap_pthread_setname_np(pthread_t thread, const char *name)
{
    if (strncmp(name, "shard-", 6) == 0)
        self = strtoull(name + 6, NULL, 10) + 1;
    return __real_pthread_setname_np(thread, name);
}

void *__wrap_memcpy(void *to, const void *from, size_t size)
{
    wrote((uintptr_t)to, size, PLACE());
    return __real_memcpy(to, from, size);
}

void *__wrap_memmove(void *to, const void *from, size_t size)
{
    wrote((uintptr_t)to, size, PLACE());
    return __real_memmove(to, from, size);
}

void *__wrap_memset(void *to, int byte, size_t size)
{
    wrote((uintptr_t)to, size, PLACE());
    return __real_memset(to, byte, size);
}

/* ---- what the compiler calls */

void __tsan_init(void);
void __tsan_func_entry(void *place);
void __tsan_func_exit(void);
void __tsan_read_range(void *address, unsigned long size);
void __tsan_write_range(void *address, unsigned long size);
void __tsan_vptr_update(void *address, void *value);
void __tsan_vptr_read(void *address);
void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_signal_fence(int order);

void __tsan_init(void)
{
}

void __tsan_func_entry(void *place)
{
    (void)place;
}

void __tsan_func_exit(void)
{
}

void __tsan_read_range(void *address, unsigned long size)
{
    (void)address, (void)size;
}

void __tsan_write_range(void *address, unsigned long size)
{
    wrote((uintptr_t)address, size, PLACE());
}

void __tsan_vptr_update(void *address, void *value)
{
    (void)value;
    wrote((uintptr_t)address, sizeof(value), PLACE());
}

void __tsan_vptr_read(void *address)
{
    (void)address;
}

void __tsan_atomic_thread_fence(int order)
{
    (void)order;
    atomic_thread_fence(memory_order_seq_cst);
}

void __tsan_atomic_signal_fence(int order)
{
    (void)order;
    atomic_signal_fence(memory_order_seq_cst);
}

#define ACCESS(name, size)                                                                         \
    void __tsan_##name##read##size(void *address);                                                 \
    void __tsan_##name##write##size(void *address);                                                \
    void __tsan_##name##read##size(void *address)                                                  \
    {                                                                                              \
        (void)address;                                                                             \
    }                                                                                              \
    void __tsan_##name##write##size(void *address)                                                 \
    {                                                                                              \
        wrote((uintptr_t)address, size, PLACE());                                                  \
    }

ACCESS(, 1)
ACCESS(, 2)
ACCESS(, 4)
ACCESS(, 8)
ACCESS(, 16)
ACCESS(unaligned_, 2)
ACCESS(unaligned_, 4)
ACCESS(unaligned_, 8)
ACCESS(unaligned_, 16)

/* Stronger orders than were asked for do no harm here. */
#define ATOMIC_CHANGE(bits, type, name)                                                            \
    type __tsan_atomic##bits##_##name(_Atomic type *address, type value, int order);               \
    type __tsan_atomic##bits##_##name(_Atomic type *address, type value, int order)                \
    {                                                                                              \
        (void)order;                                                                               \
        wrote((uintptr_t)address, sizeof(type), PLACE());                                          \
        return atomic_##name(address, value);                                                      \
    }

#define ATOMIC_COMPARE(bits, type, name)                                                           \
    bool __tsan_atomic##bits##_##name(_Atomic type *address, type *expected, type value,           \
                                      int order, int order_failed);                                \
    bool __tsan_atomic##bits##_##name(_Atomic type *address, type *expected, type value,           \
                                      int order, int order_failed)                                 \
    {                                                                                              \
        (void)order, (void)order_failed;                                                           \
        wrote((uintptr_t)address, sizeof(type), PLACE());                                          \
        return atomic_##name(address, expected, value);                                            \
    }

#define ATOMIC(bits, type)                                                                         \
    type __tsan_atomic##bits##_load(const _Atomic type *address, int order);                       \
    void __tsan_atomic##bits##_store(_Atomic type *address, type value, int order);                \
    type __tsan_atomic##bits##_load(const _Atomic type *address, int order)                        \
    {                                                                                              \
        (void)order;                                                                               \
        return atomic_load(address);                                                               \
    }                                                                                              \
    void __tsan_atomic##bits##_store(_Atomic type *address, type value, int order)                 \
    {                                                                                              \
        (void)order;                                                                               \
        wrote((uintptr_t)address, sizeof(type), PLACE());                                          \
        atomic_store(address, value);                                                              \
    }                                                                                              \
    ATOMIC_CHANGE(bits, type, exchange)                                                            \
    ATOMIC_CHANGE(bits, type, fetch_add)                                                           \
    ATOMIC_CHANGE(bits, type, fetch_sub)                                                           \
    ATOMIC_CHANGE(bits, type, fetch_and)                                                           \
    ATOMIC_CHANGE(bits, type, fetch_or)                                                            \
    ATOMIC_CHANGE(bits, type, fetch_xor)                                                           \
    ATOMIC_COMPARE(bits, type, compare_exchange_strong)                                            \
    ATOMIC_COMPARE(bits, type, compare_exchange_weak)

ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)
