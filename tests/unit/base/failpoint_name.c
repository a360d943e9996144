/* Compiles if, and only if, NAME is in the table of failpoints. */
#include "base/failpoint.h"

int main(void)
{
    FAILPOINT(NAME);
    return FAILPOINT_ERROR(NAME);
}
