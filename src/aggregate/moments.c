#include "aggregate/moments.h"

#include "aggregate/finite.h"

void moments_add(struct moments *moments, double value)
{
    double distance = double_add(value, -moments->mean);

    moments->count++;
    moments->mean += distance / (double)moments->count;
    moments->squares = double_add(moments->squares, distance * double_add(value, -moments->mean));
}

void moments_merge(struct moments *into, const struct moments *from)
{
    if (from->count == 0)
        return;
    if (into->count == 0) {
        *into = *from;
        return;
    }

    double distance = double_add(from->mean, -into->mean);
    double share = (double)from->count / (double)(into->count + from->count);
    double weight = share * (double)into->count; /* >= 1/2 */

    into->squares = double_add(double_add(into->squares, from->squares),
                               distance * weight * distance);
    into->mean += distance * share;
    into->count += from->count;
}
