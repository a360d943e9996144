/* moments - count, mean and spread of numbers: variance and standard deviation.
 *
 * Kept are the mean and the sum of squared deviations from it, never a sum of squares, of which two
 * large ones would be subtracted: B. P. Welford, "Note on a method for calculating corrected sums
 * of squares and products" (1962), per value; T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating
 * formulae and a pairwise algorithm for computing sample variances" (1979), to merge. Results are
 * finite: what passes the largest double stands there. Zeroed is empty. */
#ifndef FRESHET_AGGREGATE_MOMENTS_H
#define FRESHET_AGGREGATE_MOMENTS_H

#include <stdint.h>

struct moments {
    uint64_t count;
    double mean;
    double squares; /* sum of (value - mean)^2, >= 0 */
};

/* `value` is finite. */
void moments_add(struct moments *moments, double value);
void moments_merge(struct moments *into, const struct moments *from);

#endif
