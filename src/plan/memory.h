/* memory - a region: what is allocated together is freed together.
 *
 *   chunks ──▶ [ used | room ] ──▶ [ used ] ──▶ …
 *
 * A plan is built piece by piece and thrown away as one, so nothing in it is freed singly. The
 * owner bounds it: everything here is a copy of, or in proportion to, a text of bounded size. When
 * memory is out the process ends. */
#ifndef FRESHET_PLAN_MEMORY_H
#define FRESHET_PLAN_MEMORY_H

#include <stdarg.h>
#include <stddef.h>

#include "base/check.h"
#include "freshet/slice.h"

struct plan_memory;

struct plan_memory *plan_memory_create(void);
void plan_memory_free(struct plan_memory *memory);

/* Zeroed, aligned for any type; size 0 gives a pointer that may not be read. */
void *plan_alloc(struct plan_memory *memory, size_t size);
void *plan_alloc_array(struct plan_memory *memory, size_t count, size_t size);

/* A terminated copy. */
char *plan_text(struct plan_memory *memory, struct slice text);
struct slice plan_slice(struct plan_memory *memory, struct slice text);
char *plan_printf(struct plan_memory *memory, const char *format, ...) PRINTF_LIKE(2, 3);
char *plan_vprintf(struct plan_memory *memory, const char *format, va_list args) PRINTF_LIKE(2, 0);

#endif
