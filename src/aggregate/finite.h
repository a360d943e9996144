/* finite - doubles that stop at the largest one: no infinity gets into a cell or a row. */
#ifndef FRESHET_AGGREGATE_FINITE_H
#define FRESHET_AGGREGATE_FINITE_H

#include <float.h>
#include <math.h>

/* `sum` is finite, `more` no NaN. */
static inline double double_add(double sum, double more)
{
    double result = sum + more;

    return isfinite(result) ? result : copysign(DBL_MAX, result);
}

#endif
