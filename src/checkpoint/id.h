/* id - a checkpoint's name: unique everywhere, sorted by time, safe in folders and in metadata.
 *
 *   20261121T141530.123Z-7f3a9c1e2b4d5f60      UTC, then 64 random bits
 *
 * What is half made or half removed has the name of the process that is at it behind it, and
 * ".tmp":
 *
 *   20261121T141530.123Z-7f3a9c1e2b4d5f60.1234-0123456789abcdef.tmp */
#ifndef FRESHET_CHECKPOINT_ID_H
#define FRESHET_CHECKPOINT_ID_H

#include <stdbool.h>
#include <stdint.h>

#define CHECKPOINT_ID_LEN       37
#define CHECKPOINT_ID_SIZE      (CHECKPOINT_ID_LEN + 1)
#define CHECKPOINT_PROCESS_SIZE 32

/* A new one for that time (after 1970, before 10000). */
void checkpoint_id_make(int64_t now_ms, char ret[CHECKPOINT_ID_SIZE]);

bool checkpoint_id_is_valid(const char *id);

/* True if `name` is that of something half made, and then by which process. */
bool half_made_by(const char *name, char ret_process[CHECKPOINT_PROCESS_SIZE]);

#endif
