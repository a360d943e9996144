/* number - JSON numbers by their decimal text, so that no binary fraction gets in between. */
#ifndef FRESHET_DECODE_NUMBER_H
#define FRESHET_DECODE_NUMBER_H

#include <stdint.h>

#include "base/check.h"
#include "freshet/slice.h"

/* `text` is a number by JSON's grammar. All return 0, or
 * -EINVAL: an integer is wanted, and it is spelled with a fraction or an exponent;
 * -ERANGE: the value does not fit int64. */

MUST_USE int number_to_int64(struct slice text, int64_t *ret);

/* The value times 10^scale, to the nearest integer, halves away from zero. */
MUST_USE int number_to_scaled(struct slice text, unsigned scale, int64_t *ret);

#endif
