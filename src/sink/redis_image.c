#include "sink/redis_image.h"

#include <math.h>

#include "base/text.h"

#define VARINT_MAX 5

static size_t round_up(size_t bytes)
{
    return (bytes + 31) & ~(size_t)31;
}

static size_t varint_put(char *out, uint32_t value)
{
    size_t len = 0;

    while (value >= 0x80) {
        out[len++] = (char)(value | 0x80);
        value >>= 7;
    }
    out[len++] = (char)value;
    return len;
}

static uint32_t varint_take(const char **at)
{
    uint32_t value = (unsigned char)*(*at)++;

    if (LIKELY(value < 0x80))
        return value;
    value &= 0x7f;
    for (unsigned shift = 7;; shift += 7) {
        uint32_t byte = (unsigned char)*(*at)++;

        value |= (byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
}

/* --- values --- */

static void append_text(struct buf *out, struct slice text)
{
    char *to = buf_reserve(out, text.len + VARINT_MAX);
    /* Longer ones make the image larger than REDIS_IMAGE_MAX, whatever their prefix says. */
    size_t prefix = varint_put(to, (uint32_t)text.len + 1);

    if (text.len)
        memcpy(to + prefix, text.data, text.len);
    out->len += prefix + text.len;
}

/* Numbers are short: their length fits the one byte before them. */
static void append_value(struct buf *out, const struct row_value *value)
{
    char *to = buf_reserve(out, 1 + MAX(TEXT_DOUBLE_MAX, TEXT_DECIMAL_MAX));
    size_t len = 0;

    switch (value->type) {
    case ROW_INT:
        len = text_int64(to + 1, value->i);
        break;
    case ROW_DOUBLE:
        if (!isfinite(value->d))
            break; /* no text that a reader of numbers would take */
        len = text_double(to + 1, value->d);
        break;
    case ROW_DECIMAL:
        len = text_decimal(to + 1, value->i, value->scale);
        break;
    case ROW_BOOL:
        append_text(out, value->i ? SLICE_LITERAL("true") : SLICE_LITERAL("false"));
        return;
    case ROW_STRING:
    case ROW_JSON:
        append_text(out, value->text);
        return;
    case ROW_NULL:
        break;
    }
    to[0] = (char)(len ? len + 1 : 0);
    out->len += 1 + len;
}

void redis_values_append(struct buf *out, const struct row_value *values, uint32_t count)
{
    static const struct row_value none = {.type = ROW_NULL};

    for (uint32_t i = 0; i < count; i++)
        append_value(out, values ? &values[i] : &none);
}

struct slice redis_value_next(const char **at)
{
    uint32_t prefix = varint_take(at);

    if (prefix == 0)
        return SLICE_NONE;
    struct slice text = {*at, prefix - 1};

    *at += text.len;
    return text;
}

struct redis_difference redis_values_compare(const char *before, const char *after, uint32_t count)
{
    struct redis_difference difference = {0};

    for (uint32_t i = 0; i < count; i++) {
        struct slice old = redis_value_next(&before);
        struct slice new = redis_value_next(&after);
        uint64_t bit = UINT64_C(1) << i;

        if (!old.data && new.data)
            difference.appeared |= bit;
        if (!old.data != !new.data || !slice_equal(old, new))
            difference.changed |= bit;
    }
    return difference;
}

/* --- the image --- */

static char *key_at(const struct redis_image *image)
{
    return (char *)(uintptr_t)&image->parts[image->part_count];
}

static size_t used_bytes(const struct redis_image *image)
{
    size_t used = sizeof(*image) + image->part_count * sizeof(image->parts[0]) + image->key_len;

    for (unsigned i = 0; i < image->part_count; i++)
        used += image->parts[i].bytes;
    return used;
}

struct redis_image *redis_image_create(struct arena *arena, struct slice key, int32_t partition)
{
    size_t size = round_up(sizeof(struct redis_image) + sizeof(struct redis_part) + key.len);
    struct redis_image *image = arena_alloc(arena, size);

    *image = (struct redis_image){
        .size = (uint32_t)size,
        .key_len = (uint32_t)key.len,
        .partition = partition,
        .whole = true,
    };
    memcpy(key_at(image), key.data, key.len);
    return image;
}

void redis_image_free(struct arena *arena, struct redis_image *image)
{
    arena_free(arena, image, image->size);
}

struct slice redis_image_key(const struct redis_image *image)
{
    return (struct slice){key_at(image), image->key_len};
}

/* Where the view's part is, or would be. */
static unsigned part_index(const struct redis_image *image, uint16_t view)
{
    unsigned low = 0;
    unsigned high = image->part_count;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (image->parts[middle].view < view)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct redis_part *redis_image_part(struct redis_image *image, uint16_t view)
{
    unsigned index = part_index(image, view);

    if (index == image->part_count || image->parts[index].view != view)
        return NULL;
    return &image->parts[index];
}

const char *redis_image_values(const struct redis_image *image, const struct redis_part *part)
{
    const char *at = key_at(image) + image->key_len;

    for (const struct redis_part *before = image->parts; before < part; before++)
        at += before->bytes;
    return at;
}

uint64_t redis_image_need(struct redis_image *image, uint16_t view, size_t key_len, size_t bytes)
{
    if (!image)
        return sizeof(*image) + sizeof(struct redis_part) + key_len + (uint64_t)bytes;
    const struct redis_part *part = redis_image_part(image, view);
    uint64_t others = used_bytes(image) - (part ? part->bytes : 0);

    return others + (part ? 0 : sizeof(*part)) + bytes;
}

/* Gives the image room for `need` bytes; takes room away when it has twice that. */
static struct redis_image *resize(struct arena *arena, struct redis_image *image, size_t need)
{
    size_t size = round_up(need);

    if (need <= image->size && size * 2 >= image->size)
        return image;
    /* Large ones get some room, lest each longer text moves them again. */
    if (need > image->size && size > 1024)
        size = round_up(size + size / 8);
    image = arena_resize(arena, image, image->size, size);
    image->size = (uint32_t)size;
    return image;
}

static struct redis_image *add_part(struct arena *arena, struct redis_image *image, uint16_t view)
{
    size_t used = used_bytes(image);
    unsigned index = part_index(image, view);

    image = resize(arena, image, used + sizeof(struct redis_part));
    struct redis_part *part = &image->parts[index];
    char *end = (char *)image + used;

    memmove(part + 1, part, (size_t)(end - (char *)part));
    *part = (struct redis_part){.view = view};
    image->part_count++;
    return image;
}

struct redis_image *redis_image_put(struct arena *arena, struct redis_image *image, uint16_t view,
                                    struct slice values, uint32_t count)
{
    struct redis_part *part = redis_image_part(image, view);
    bool added = !part;

    if (added) {
        image = add_part(arena, image, view);
        part = redis_image_part(image, view);
    }
    size_t used = used_bytes(image);
    size_t before = part->bytes;
    size_t need = used - before + values.len;

    if (added) {
        part->dirty = UINT64_MAX >> (64 - count);
        part->absent = part->dirty;
        part->added = true;
    } else {
        struct redis_difference difference = redis_values_compare(redis_image_values(image, part),
                                                                  values.data, count);

        if (!difference.changed)
            return image;
        /* Of what was dirty already, Redis has what it had. */
        part->absent |= difference.appeared & ~part->dirty;
        part->dirty |= difference.changed;
    }
    /* What follows moves before memory is given back, and after more was got. */
    if (need > image->size) {
        image = resize(arena, image, need);
        part = redis_image_part(image, view);
    }
    char *at = (char *)(uintptr_t)redis_image_values(image, part);

    memmove(at + values.len, at + before, (size_t)((char *)image + used - (at + before)));
    memcpy(at, values.data, values.len);
    part->bytes = (uint32_t)values.len;
    return resize(arena, image, need);
}
