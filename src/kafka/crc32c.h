/* crc32c - the checksum of record batches: CRC-32 with Castagnoli's polynomial 0x1EDC6F41.
 *
 * By the processor's instruction (SSE 4.2, three streams at a time) where it has one, else by
 * tables; found out when the program is loaded. Source: RFC 3720, 12.1 and B.4; V. Gopal et al.,
 * "Fast CRC Computation for iSCSI Polynomial Using CRC32 Instruction", Intel, 2011. */
#ifndef FRESHET_KAFKA_CRC32C_H
#define FRESHET_KAFKA_CRC32C_H

#include <stdint.h>

#include "freshet/slice.h"

uint32_t crc32c(struct slice bytes);

/* The two ways, for tests and benchmarks. */
uint32_t crc32c_by_table(struct slice bytes);

/* Only if crc32c_has_instruction(). */
uint32_t crc32c_by_instruction(struct slice bytes);
bool crc32c_has_instruction(void);

#endif
