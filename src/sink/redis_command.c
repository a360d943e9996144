#include "sink/redis_command.h"

#include "base/text.h"

/* '$' or '*', the number, CRLF */
#define PREFIX_MAX (1 + TEXT_INT64_MAX + 2)

/* --- RESP --- */

static char *put_prefix(char *to, char kind, size_t number)
{
    *to++ = kind;
    to += text_int64(to, (int64_t)number);
    *to++ = '\r';
    *to++ = '\n';
    return to;
}

static void append_array(struct buf *out, size_t count)
{
    char *to = buf_reserve(out, PREFIX_MAX);

    out->len += (size_t)(put_prefix(to, '*', count) - to);
}

static void append_bulk(struct buf *out, struct slice bytes)
{
    char *start = buf_reserve(out, PREFIX_MAX + bytes.len + 2);
    char *to = put_prefix(start, '$', bytes.len);

    memcpy(to, bytes.data, bytes.len);
    to += bytes.len;
    *to++ = '\r';
    *to++ = '\n';
    out->len += (size_t)(to - start);
}

static void append_number(struct buf *out, int64_t number)
{
    char digits[TEXT_INT64_MAX];

    append_bulk(out, (struct slice){digits, text_int64(digits, number)});
}

/* --- what never changes --- */

/* `view` is NULL for a feature's name, which stands alone. */
static void append_name(struct buf *out, const char *view, const char *name)
{
    size_t len = strlen(name) + (view ? strlen(view) + 1 : 0);
    char *start = buf_reserve(out, PREFIX_MAX);

    out->len += (size_t)(put_prefix(start, '$', len) - start);
    if (view) {
        buf_append_slice(out, slice_of(view));
        buf_append_char(out, '.');
    }
    buf_append_slice(out, slice_of(name));
    buf_append(out, "\r\n", 2);
}

/* All names in a row in one memory; the slices first know their lengths only. */
static void init_names(struct redis_commands *commands, const struct plan *plan)
{
    struct buf text = {0};
    size_t count = 0;

    for (uint32_t v = 0; v < plan->view_count; v++)
        count += plan->views[v].feature_count + 2;
    commands->views = calloc(MAX(plan->view_count, 1u), sizeof(*commands->views));
    commands->names = calloc(MAX(count, (size_t)1), sizeof(*commands->names));
    CHECK(commands->views && commands->names);

    struct slice *next = commands->names;

    for (uint32_t v = 0; v < plan->view_count; v++) {
        const struct plan_view *view = &plan->views[v];

        CHECK(view->feature_count > 0 && view->feature_count <= PLAN_FEATURES_MAX);
        commands->views[v] = next;
        for (uint32_t f = 0; f < view->feature_count + 2; f++) {
            size_t start = text.len;

            if (f < view->feature_count)
                append_name(&text, NULL, view->features[f].name);
            else
                append_name(&text, view->name,
                            f == view->feature_count ? "window_end" : "computed_at");
            (next++)->len = text.len - start;
        }
    }
    commands->memory = text.data;
    for (size_t i = 0, at = 0; i < count; at += commands->names[i++].len)
        commands->names[i].data = text.data + at;
}

void redis_commands_init(struct redis_commands *commands, const struct plan *plan)
{
    int64_t ttl_ms = plan->redis.ttl_ms;
    bool whole_seconds = ttl_ms % 1000 == 0;
    char number[TEXT_INT64_MAX + 1];

    *commands = (struct redis_commands){.plan = plan};
    init_names(commands, plan);
    snprintf(commands->expire_head, sizeof(commands->expire_head), "*3\r\n%s\r\n",
             whole_seconds ? "$6\r\nEXPIRE" : "$7\r\nPEXPIRE");
    int len = snprintf(number, sizeof(number), "%lld",
                       (long long)(whole_seconds ? ttl_ms / 1000 : ttl_ms));
    snprintf(commands->expire_tail, sizeof(commands->expire_tail), "$%d\r\n%s\r\n", len, number);
}

void redis_commands_done(struct redis_commands *commands)
{
    free(commands->views);
    free(commands->names);
    free(commands->memory);
}

/* --- a key --- */

static const struct plan_key_template *key_template(const struct redis_commands *commands,
                                                    const struct redis_image *image)
{
    const struct plan_view *view = &commands->plan->views[image->parts[0].view];

    return &commands->plan->redis.key_templates[view->source];
}

void redis_commands_append_key(const struct redis_commands *commands, struct buf *out,
                               const struct redis_image *image)
{
    const struct plan_key_template *template = key_template(commands, image);

    buf_append_slice(out, template->before);
    buf_append_slice(out, redis_image_key(image));
    buf_append_slice(out, template->after);
}

static void append_key_bulk(const struct redis_commands *commands, struct buf *out,
                            const struct redis_image *image)
{
    const struct plan_key_template *template = key_template(commands, image);
    size_t len = template->before.len + image->key_len + template->after.len;
    char *start = buf_reserve(out, PREFIX_MAX);

    out->len += (size_t)(put_prefix(start, '$', len) - start);
    redis_commands_append_key(commands, out, image);
    buf_append(out, "\r\n", 2);
}

/* --- what of a part is to be written --- */

struct selection {
    uint64_t features;
    bool metadata;
};

static struct selection select_of(const struct redis_commands *commands,
                                  const struct redis_part *part, bool whole)
{
    uint32_t count = commands->plan->views[part->view].feature_count;
    struct selection selection = {
        .features = whole ? UINT64_MAX >> (64 - count) : part->dirty,
        .metadata = commands->plan->redis.metadata && (whole || part->unsent),
    };

    return selection;
}

struct tally {
    uint32_t set;
    uint32_t deleted;
    uint32_t added;
};

static struct tally tally_fields(const struct redis_commands *commands,
                                 const struct redis_image *image, bool whole)
{
    struct tally tally = {0};
    const char *values = redis_image_values(image, image->parts);

    for (unsigned i = 0; i < image->part_count; i++) {
        const struct redis_part *part = &image->parts[i];
        struct selection selection = select_of(commands, part, whole);
        const char *at = values;

        values += part->bytes;
        tally.set += selection.metadata ? 2 : 0;
        tally.added += selection.metadata && part->added ? 2 : 0;
        for (uint64_t bit = 1; bit && bit <= selection.features; bit <<= 1) {
            bool present = redis_value_next(&at).data;

            if (!(selection.features & bit))
                continue;
            tally.set += present;
            tally.deleted += !present;
            tally.added += present && (part->absent & bit);
        }
    }
    return tally;
}

bool redis_commands_only_add(const struct redis_commands *commands, const struct redis_image *image)
{
    bool adds = false;
    bool had_some = false;

    for (unsigned i = 0; i < image->part_count; i++) {
        adds |= image->parts[i].added || image->parts[i].absent;
        had_some |= !image->parts[i].added;
    }
    if (!adds || !had_some)
        return false;
    struct tally tally = tally_fields(commands, image, false);

    return tally.set == tally.added;
}

static void append_hset(const struct redis_commands *commands, struct buf *out,
                        const struct redis_image *image, bool whole, uint32_t fields)
{
    const char *values = redis_image_values(image, image->parts);

    append_array(out, 2 + 2 * (size_t)fields);
    buf_append_slice(out, SLICE_LITERAL("$4\r\nHSET\r\n"));
    append_key_bulk(commands, out, image);
    for (unsigned i = 0; i < image->part_count; i++) {
        const struct redis_part *part = &image->parts[i];
        const struct slice *name = commands->views[part->view];
        const struct slice *metadata = name + commands->plan->views[part->view].feature_count;
        struct selection selection = select_of(commands, part, whole);
        const char *at = values;

        values += part->bytes;
        for (uint64_t left = selection.features; left; left >>= 1, name++) {
            struct slice text = redis_value_next(&at);

            if (!(left & 1) || !text.data)
                continue;
            buf_append_slice(out, *name);
            append_bulk(out, text);
        }
        if (selection.metadata) {
            buf_append_slice(out, metadata[0]);
            append_number(out, part->window_end_ms);
            buf_append_slice(out, metadata[1]);
            append_number(out, part->computed_at_ms);
        }
    }
}

static void append_hdel(const struct redis_commands *commands, struct buf *out,
                        const struct redis_image *image, bool whole, uint32_t fields)
{
    const char *values = redis_image_values(image, image->parts);

    append_array(out, 2 + (size_t)fields);
    buf_append_slice(out, SLICE_LITERAL("$4\r\nHDEL\r\n"));
    append_key_bulk(commands, out, image);
    for (unsigned i = 0; i < image->part_count; i++) {
        const struct redis_part *part = &image->parts[i];
        const struct slice *name = commands->views[part->view];
        struct selection selection = select_of(commands, part, whole);
        const char *at = values;

        values += part->bytes;
        for (uint64_t left = selection.features; left; left >>= 1, name++) {
            if (!redis_value_next(&at).data && (left & 1))
                buf_append_slice(out, *name);
        }
    }
}

struct redis_written redis_commands_append(const struct redis_commands *commands, struct buf *out,
                                           struct redis_image *image, bool whole, bool expire)
{
    struct tally tally = tally_fields(commands, image, whole);
    struct redis_written written = {.fields = tally.set + tally.deleted, .added = tally.added};

    if (tally.set) {
        append_hset(commands, out, image, whole, tally.set);
        written.commands |= REDIS_HSET;
    }
    if (tally.deleted) {
        append_hdel(commands, out, image, whole, tally.deleted);
        written.commands |= REDIS_HDEL;
    }
    if (expire) {
        buf_append_slice(out, slice_of(commands->expire_head));
        append_key_bulk(commands, out, image);
        buf_append_slice(out, slice_of(commands->expire_tail));
        written.commands |= REDIS_EXPIRE;
    }
    for (unsigned i = 0; i < image->part_count; i++) {
        image->parts[i].dirty = 0;
        image->parts[i].absent = 0;
        image->parts[i].unsent = false;
        image->parts[i].added = false;
    }
    return written;
}
