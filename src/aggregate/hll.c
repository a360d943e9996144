#include "aggregate/hll.h"

#include <math.h>

#define RANK_MAX (64 - HLL_BITS + 1)

void hll_merge(struct hll *into, const struct hll *from)
{
    for (int i = 0; i < HLL_REGISTERS; i++) {
        uint8_t other = from->registers[i];

        into->registers[i] = into->registers[i] > other ? into->registers[i] : other;
    }
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

    for (int i = 0; i < HLL_REGISTERS; i++)
        with_rank[hll->registers[i]]++;

    double z = m * tau(1 - with_rank[RANK_MAX] / m);
    for (int rank = RANK_MAX - 1; rank >= 1; rank--)
        z = 0.5 * (z + with_rank[rank]);
    z += m * sigma(with_rank[0] / m);
    return m * m / (2 * M_LN2 * z);
}
