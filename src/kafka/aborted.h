/* aborted - which batches belong to transactions that were aborted.
 *
 *   from the broker   (producer, first offset) …        of all that overlap what was fetched
 *   sorted            p1/20  p1/75  p4/31  p9/12        by producer, then by first offset
 *                       │      └ not begun at 60
 *                       └ ended: its marker has been passed
 *
 * A producer has one transaction at a time. At offset o it is in an aborted one exactly if the last
 * of its entries that begins at or before o has not been ended by an abort marker between the two.
 * That is what a reader with a heap of transactions and a set of producers computes, without
 * either: a look-up is a binary search, and each entry is ended once.
 *
 * The list belongs to one response's partition; its memory is the caller's and is used again.
 * Source: KIP-98, "Consumer: Aborted transactions"; Kafka protocol guide, "Fetch". */
#ifndef FRESHET_KAFKA_ABORTED_H
#define FRESHET_KAFKA_ABORTED_H

#include "kafka/wire.h"

/* As they stand in the response. */
struct aborted_transactions {
    struct wire_reader entries;
    uint32_t count;
};

/* Reads the array; it is looked through, so that what is made of it later is sound. */
void aborted_transactions_read(struct wire_reader *body, struct aborted_transactions *ret);

struct aborted_entry {
    int64_t producer_id;
    int64_t first_offset;
    bool ended;
};

/* Zeroed is empty. */
struct aborted_list {
    struct aborted_entry *entries;
    uint32_t count;
    uint32_t capacity;
};

void aborted_list_done(struct aborted_list *list);

/* Takes over the transactions of one partition. */
void aborted_list_fill(struct aborted_list *list, struct aborted_transactions transactions);

/* Whether what the producer wrote up to `offset` is part of an aborted transaction. */
bool aborted_list_has(const struct aborted_list *list, int64_t producer_id, int64_t offset);

/* There is an abort marker of the producer at that offset. */
void aborted_list_end(struct aborted_list *list, int64_t producer_id, int64_t offset);

#endif
