/* hdr_log - histograms in the log format of HdrHistogram, which its tools read and plot.
 *
 *   Tag=fetched_redis@25000,12.000,15.000,2.310,HISTFAAAA…
 *
 * Format 1.3: lines of begin, length (s), largest value (ms) and a histogram in base64: V2 encoding
 * (G. Tene, HdrHistogram: zig-zag LEB128 counts, runs of empty buckets as negative numbers) within
 * zlib's container, its blocks stored, not compressed. Values are ns, to two significant digits. */
#ifndef FRESHET_BENCH_HDR_LOG_H
#define FRESHET_BENCH_HDR_LOG_H

#include "base/buf.h"
#include "base/hdr.h"

/* The head of a log that begins at this time. */
void hdr_log_begin(struct buf *out, int64_t start_ms, const char *what);

/* One interval. Tags hold no comma and no space. */
void hdr_log_add(struct buf *out, const char *tag, double begin_s, double length_s,
                 const struct hdr *hdr);

#endif
