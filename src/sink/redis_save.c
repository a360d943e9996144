#include "sink/redis_save.h"

#include <errno.h>

#include "base/hash.h"
#include "base/pack.h"

#define GROUP_BYTES    4
#define KEY_HEAD_BYTES (GROUP_BYTES + 1)
#define LENGTHS_BYTES  8

/* --- names --- */

void redis_save_names_init(struct redis_save_names *names, const struct plan *plan)
{
    size_t count = plan->view_count;
    uint64_t *next;

    for (uint32_t v = 0; v < plan->view_count; v++)
        count += plan->views[v].feature_count;
    names->plan = plan;
    names->memory = next = calloc(MAX(count, (size_t)1), sizeof(*names->memory));
    names->features = calloc(MAX(plan->view_count, 1u), sizeof(*names->features));
    CHECK(names->memory && names->features);
    names->views = next;
    next += plan->view_count;
    for (uint32_t v = 0; v < plan->view_count; v++) {
        const struct plan_view *view = &plan->views[v];

        names->views[v] = hash64(slice_of(view->name));
        names->features[v] = next;
        for (uint32_t f = 0; f < view->feature_count; f++)
            *next++ = hash64(slice_of(view->features[f].name));
    }
}

void redis_save_names_done(struct redis_save_names *names)
{
    free(names->memory);
    free(names->features);
}

static const struct plan_view *find_view(const struct redis_save_names *names, uint32_t source,
                                         uint64_t name)
{
    for (uint32_t v = 0; v < names->plan->view_count; v++) {
        if (names->views[v] == name && names->plan->views[v].source == (int)source)
            return &names->plan->views[v];
    }
    return NULL;
}

static int find_feature(const struct redis_save_names *names, const struct plan_view *view,
                        uint64_t name)
{
    for (uint32_t f = 0; f < view->feature_count; f++) {
        if (names->features[view->number][f] == name)
            return (int)f;
    }
    return PLAN_NONE;
}

/* --- writing --- */

static char *put_u32le(char *to, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        *to++ = (char)(number >> 8 * i);
    return to;
}

static char *put_u32be(char *to, uint32_t number)
{
    for (int i = 3; i >= 0; i--)
        *to++ = (char)(number >> 8 * i);
    return to;
}

static uint32_t shuffled_group(struct slice key)
{
    return (uint32_t)(hash64(key) % PLAN_KEY_GROUPS);
}

static void append_view(const struct redis_save_names *names, struct buf *out,
                        const struct redis_part *part, const char *values)
{
    uint32_t count = names->plan->views[part->view].feature_count;

    pack_word(out, names->views[part->view]);
    pack_int(out, part->window_end_ms);
    pack_int(out, part->newest_end_ms);
    pack_int(out, part->computed_at_ms);
    pack_uint(out, count);
    for (uint32_t f = 0; f < count; f++) {
        struct slice text = redis_value_next(&values);

        pack_word(out, names->features[part->view][f]);
        pack_uint(out, text.data ? text.len + 1 : 0);
        buf_append_slice(out, text);
    }
}

struct slice redis_save_append(const struct redis_save_names *names, struct buf *out,
                               const struct redis_image *image)
{
    struct slice key = redis_image_key(image);
    uint32_t key_len = KEY_HEAD_BYTES + (uint32_t)key.len;
    size_t start = out->len;
    char *to = buf_reserve(out, LENGTHS_BYTES + key_len) + LENGTHS_BYTES;

    to = put_u32be(to, image->partition == PLAN_NONE ? shuffled_group(key)
                                                     : (uint32_t)image->partition);
    *to++ = REDIS_SAVE_KIND;
    memcpy(to, key.data, key.len);
    out->len += LENGTHS_BYTES + key_len;

    size_t value = out->len;
    const char *values = redis_image_values(image, image->parts);

    pack_uint(out, REDIS_SAVE_FORMAT);
    pack_uint(out, image->part_count);
    for (unsigned i = 0; i < image->part_count; i++) {
        append_view(names, out, &image->parts[i], values);
        values += image->parts[i].bytes;
    }
    put_u32le(out->data + start, key_len);
    put_u32le(out->data + start + 4, (uint32_t)(out->len - value));
    return (struct slice){out->data + start + LENGTHS_BYTES, key_len};
}

void redis_save_append_deleted(struct buf *out, struct slice key)
{
    char *to = buf_reserve(out, LENGTHS_BYTES);

    put_u32le(put_u32le(to, (uint32_t)key.len), REDIS_SAVE_DELETED);
    out->len += LENGTHS_BYTES;
    buf_append_slice(out, key);
}

/* --- reading --- */

static int read_key(const struct redis_save_names *names, struct slice key,
                    struct redis_saved *saved)
{
    uint32_t group = 0;

    if (key.len <= KEY_HEAD_BYTES || key.len > REDIS_IMAGE_MAX ||
        key.data[GROUP_BYTES] != REDIS_SAVE_KIND)
        return -EBADMSG;
    for (int i = 0; i < GROUP_BYTES; i++)
        group = group << 8 | (unsigned char)key.data[i];
    saved->key = (struct slice){key.data + KEY_HEAD_BYTES, key.len - KEY_HEAD_BYTES};
    if (names->plan->sources[saved->source].aligned) {
        saved->partition = (int32_t)group;
        return group <= REDIS_PARTITION_MAX ? 0 : -EBADMSG;
    }
    saved->partition = PLAN_NONE;
    return group == shuffled_group(saved->key) ? 0 : -EBADMSG;
}

static int read_head(struct slice value, struct redis_saved *saved)
{
    uint64_t format;

    saved->rest = value;
    if (unpack_uint(&saved->rest, &format) || format != REDIS_SAVE_FORMAT ||
        unpack_uint(&saved->rest, &saved->views_left) || saved->views_left == 0 ||
        saved->views_left > PLAN_VIEWS_MAX)
        return -EBADMSG;
    return 0;
}

/* A feature's name and text; SLICE_NONE: no value. */
static int read_feature(struct slice *from, uint64_t *ret_name, struct slice *ret_text)
{
    uint64_t len;

    if (unpack_word(from, ret_name) || unpack_uint(from, &len) || (len && len - 1 > from->len))
        return -EBADMSG;
    *ret_text = SLICE_NONE;
    if (len == 0)
        return 0;
    *ret_text = (struct slice){from->data, len - 1};
    from->data += len - 1;
    from->len -= len - 1;
    return 0;
}

/* The features that the view has in the plan, by number; the others are gone past. */
static int read_features(const struct redis_save_names *names, struct redis_saved *saved,
                         struct row_value values[PLAN_FEATURES_MAX])
{
    uint64_t seen = 0;
    uint64_t count;
    uint64_t name;
    struct slice text;

    if (unpack_uint(&saved->rest, &count) || count == 0 || count > PLAN_FEATURES_MAX)
        return -EBADMSG;
    for (uint64_t i = 0; i < count; i++) {
        if (read_feature(&saved->rest, &name, &text))
            return -EBADMSG;
        int number = saved->view ? find_feature(names, saved->view, name) : PLAN_NONE;

        if (number == PLAN_NONE)
            continue;
        if (seen & UINT64_C(1) << number)
            return -EBADMSG;
        seen |= UINT64_C(1) << number;
        values[number] = (struct row_value){.type = text.data ? ROW_STRING : ROW_NULL,
                                            .text = text};
    }
    return 0;
}

static int read_view(const struct redis_save_names *names, struct redis_saved *saved,
                     struct buf *values)
{
    struct row_value texts[PLAN_FEATURES_MAX] = {{.type = ROW_NULL}};
    uint64_t name;

    if (unpack_word(&saved->rest, &name) || unpack_int(&saved->rest, &saved->window_end_ms) ||
        unpack_int(&saved->rest, &saved->newest_end_ms) ||
        unpack_int(&saved->rest, &saved->computed_at_ms) ||
        saved->newest_end_ms < saved->window_end_ms)
        return -EBADMSG;
    saved->view = find_view(names, saved->source, name);
    if (read_features(names, saved, texts))
        return -EBADMSG;
    saved->views_left--;
    if (saved->view && values) {
        buf_reset(values);
        redis_values_append(values, texts, saved->view->feature_count);
    }
    return 0;
}

int redis_save_check(const struct redis_save_names *names, uint32_t source, struct slice key,
                     struct slice value)
{
    uint64_t seen[PLAN_VIEWS_MAX / 64] = {0};
    struct redis_saved saved = {.source = source};

    if (read_key(names, key, &saved) || read_head(value, &saved))
        return -EBADMSG;
    while (saved.views_left > 0) {
        if (read_view(names, &saved, NULL))
            return -EBADMSG;
        if (!saved.view)
            continue;
        uint64_t bit = UINT64_C(1) << saved.view->number % 64;

        if (seen[saved.view->number / 64] & bit)
            return -EBADMSG;
        seen[saved.view->number / 64] |= bit;
    }
    return saved.rest.len == 0 ? 0 : -EBADMSG;
}

void redis_save_open(const struct redis_save_names *names, uint32_t source, struct slice key,
                     struct slice value, struct redis_saved *ret)
{
    *ret = (struct redis_saved){.source = source};
    CHECK(read_key(names, key, ret) == 0);
    CHECK(read_head(value, ret) == 0);
}

bool redis_save_next(const struct redis_save_names *names, struct redis_saved *saved,
                     struct buf *values)
{
    if (saved->views_left == 0)
        return false;
    CHECK(read_view(names, saved, values) == 0);
    return true;
}
