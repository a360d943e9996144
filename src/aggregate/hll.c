#include "aggregate/hll.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/pack.h"

#define RANK_MAX    (64 - HLL_BITS + 1)
#define RANK_BITS   6
#define SPARSE_MAX  1024 /* at most 3 bytes each: no more than all registers take */
#define DENSE_BYTES (HLL_REGISTERS * RANK_BITS / 8)

_Static_assert(RANK_MAX < 1 << RANK_BITS, "a rank takes 6 bits");

/* `restrict`, and what is plainly a maximum, let the compiler take 16 registers at a time. */
static void registers_max(uint8_t *restrict into, const uint8_t *restrict from)
{
    for (int i = 0; i < HLL_REGISTERS; i++)
        into[i] = into[i] > from[i] ? into[i] : from[i];
}

void hll_merge(struct hll *into, const struct hll *from)
{
    registers_max(into->registers, from->registers);
}

/* Ertl's sigma: x + sum over k >= 1 of x^(2^k) * 2^(k-1). */
static double sigma(double x)
{
    double weight = 1;
    double sum = x;
    double before;

    if (x == 1)
        return INFINITY;
    do {
        x *= x;
        before = sum;
        sum += x * weight;
        weight += weight;
    } while (sum != before);
    return sum;
}

/* Ertl's tau: (1 - x - sum over k >= 1 of (1 - x^(2^-k))^2 * 2^-k) / 3. */
static double tau(double x)
{
    double weight = 1;
    double sum = 1 - x;
    double before;

    if (x == 0 || x == 1)
        return 0;
    do {
        x = sqrt(x);
        before = sum;
        weight *= 0.5;
        sum -= (1 - x) * (1 - x) * weight;
    } while (sum != before);
    return sum / 3;
}

double hll_estimate(const struct hll *hll)
{
    const double m = HLL_REGISTERS;
    uint32_t with_rank[RANK_MAX + 1] = {0};

    for (int i = 0; i < HLL_REGISTERS; i += 8) {
        /* Just beyond what is counted exactly, few registers are used. */
        static const uint8_t unused[8] = {0};

        if (memcmp(&hll->registers[i], unused, 8) == 0) {
            with_rank[0] += 8;
            continue;
        }
        for (int j = i; j < i + 8; j++)
            with_rank[hll->registers[j]]++;
    }

    double z = m * tau(1 - with_rank[RANK_MAX] / m);
    for (int rank = RANK_MAX - 1; rank >= 1; rank--)
        z = 0.5 * (z + with_rank[rank]);
    z += m * sigma(with_rank[0] / m);
    return m * m / (2 * M_LN2 * z);
}

static uint32_t used_registers(const struct hll *hll)
{
    uint32_t used = 0;

    for (int i = 0; i < HLL_REGISTERS; i++)
        used += hll->registers[i] > 0;
    return used;
}

static void save_sparse(const struct hll *hll, struct buf *out)
{
    uint64_t unused = 0;

    for (int i = 0; i < HLL_REGISTERS; i++) {
        if (hll->registers[i] == 0) {
            unused++;
            continue;
        }
        pack_uint(out, unused << RANK_BITS | hll->registers[i]);
        unused = 0;
    }
}

/* Four registers to three bytes. */
static void save_dense(const struct hll *hll, struct buf *out)
{
    char *to = buf_reserve(out, DENSE_BYTES);

    for (const uint8_t *four = hll->registers; four < hll->registers + HLL_REGISTERS; four += 4) {
        *to++ = (char)(four[0] | four[1] << 6);
        *to++ = (char)(four[1] >> 2 | four[2] << 4);
        *to++ = (char)(four[2] >> 4 | four[3] << 2);
    }
    out->len += DENSE_BYTES;
}

void hll_save(const struct hll *hll, struct buf *out)
{
    uint32_t used = used_registers(hll);

    pack_uint(out, used);
    if (used <= SPARSE_MAX)
        save_sparse(hll, out);
    else
        save_dense(hll, out);
}

static int load_sparse(struct hll *hll, uint64_t used, struct slice *from)
{
    uint64_t at = 0;

    for (uint64_t i = 0; i < used; i++) {
        uint64_t entry;

        if (unpack_uint(from, &entry) || entry >> RANK_BITS >= HLL_REGISTERS - at)
            return -EBADMSG;
        at += entry >> RANK_BITS;
        hll->registers[at++] = entry & ((1 << RANK_BITS) - 1);
    }
    return 0;
}

static int load_dense(struct hll *hll, struct slice *from)
{
    const uint8_t *bytes = (const uint8_t *)from->data;

    if (from->len < DENSE_BYTES)
        return -EBADMSG;
    for (uint8_t *four = hll->registers; four < hll->registers + HLL_REGISTERS; four += 4) {
        four[0] = bytes[0] & 63;
        four[1] = (uint8_t)(bytes[0] >> 6 | bytes[1] << 2) & 63;
        four[2] = (uint8_t)(bytes[1] >> 4 | bytes[2] << 4) & 63;
        four[3] = bytes[2] >> 2;
        bytes += 3;
    }
    from->data += DENSE_BYTES;
    from->len -= DENSE_BYTES;
    return 0;
}

int hll_load(struct hll *hll, struct slice *from)
{
    uint64_t used;

    if (unpack_uint(from, &used) || used == 0 || used > HLL_REGISTERS)
        return -EBADMSG;
    if (used <= SPARSE_MAX ? load_sparse(hll, used, from) : load_dense(hll, from))
        return -EBADMSG;
    for (int i = 0; i < HLL_REGISTERS; i++) {
        if (hll->registers[i] > RANK_MAX)
            return -EBADMSG;
    }
    return used_registers(hll) == used ? 0 : -EBADMSG;
}
