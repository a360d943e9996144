#include "sink/side_output.h"

#include <errno.h>

#include "base/text.h"
#include "kafka/client.h"

struct side_output {
    const struct plan *plan;
    struct side_hooks hooks;
    rd_kafka_t *client;
    rd_kafka_topic_t **topics; /* [source * 2 + kind], or NULL */
    _Atomic uint64_t failures;
};

static void append_name(struct buf *out, const char *name)
{
    if (out->data[out->len - 1] != '{')
        buf_append_char(out, ',');
    text_json_string(out, slice_of(name));
    buf_append_char(out, ':');
}

static void append_int(struct buf *out, const char *name, int64_t value)
{
    append_name(out, name);
    out->len += text_int64(buf_reserve(out, TEXT_INT64_MAX), value);
}

static void append_text(struct buf *out, const char *name, const char *value)
{
    append_name(out, name);
    if (value)
        text_json_string(out, slice_of(value));
    else
        buf_append(out, "null", 4);
}

/* The longest beginning of at most `max` bytes that does not end within a character. */
static size_t cut_utf8(struct slice text, size_t max)
{
    size_t len = max;

    while (len > 0 && ((unsigned char)text.data[len] & 0xc0) == 0x80)
        len--;
    return len;
}

static void append_raw(struct buf *out, struct slice raw, size_t bytes_max)
{
    bool is_long = raw.len > bytes_max;

    append_name(out, "raw");
    if (!raw.data) {
        buf_append(out, "null", 4);
        return;
    }
    if (text_is_utf8(raw)) {
        raw.len = is_long ? cut_utf8(raw, bytes_max) : raw.len;
        text_json_string(out, raw);
    } else {
        raw.len = MIN(raw.len, bytes_max);
        buf_append_char(out, '"');
        text_base64(out, raw);
        buf_append_char(out, '"');
        append_text(out, "encoding", "base64");
    }
    if (is_long) {
        append_name(out, "truncated");
        buf_append(out, "true", 4);
    }
}

static void append_record(const struct side_record *side, size_t raw_bytes_max, struct buf *out)
{
    const struct record *record = side->record;

    buf_append_char(out, '{');
    append_raw(out, record->value, raw_bytes_max);
    append_text(out, "error", side->error);
    if (record->timestamp_ms >= 0)
        append_int(out, "ts", record->timestamp_ms);
    else
        append_text(out, "ts", NULL);
    append_text(out, "topic", side->topic);
    append_int(out, "partition", record->partition);
    append_int(out, "offset", record->offset);
    if (side->kind == SIDE_LATE)
        append_int(out, "watermark", side->watermark_ms);
    else
        append_text(out, "field", side->field);
    buf_append_char(out, '}');
}

void side_record_json(const struct side_record *side, struct buf *out)
{
    size_t start = out->len;

    append_record(side, SIDE_RAW_BYTES_MAX, out);
    if (out->len - start > SIDE_JSON_BYTES_MAX) { /* an escape takes six bytes for one */
        out->len = start;
        append_record(side, SIDE_RAW_BYTES_MAX / 2, out);
    }
}

static void on_delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *context)
{
    struct side_output *side = context;
    char text[512];

    (void)client;
    if (!message->err)
        return;
    atomic_fetch_add_explicit(&side->failures, 1, memory_order_relaxed);
    snprintf(text, sizeof(text), "a record for topic %s was refused: %s",
             rd_kafka_topic_name(message->rkt), rd_kafka_err2str(message->err));
    side->hooks.notice(side->hooks.context, text);
}

static void on_error(rd_kafka_t *client, int code, const char *reason, void *context)
{
    struct side_output *side = context;

    (void)client, (void)code;
    side->hooks.notice(side->hooks.context, reason);
}

static void on_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client, (void)level, (void)facility, (void)text;
}

static void configure(rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivered);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
}

static bool is_wanted(const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->source_count; i++) {
        if (plan->sources[i].late_topic || plan->sources[i].dead_letter_topic)
            return true;
    }
    return false;
}

static int client_create(struct side_output *side, struct err *err)
{
    const struct kafka_setting settings[] = {
        {"client.id", "freshet"},
        {"linger.ms", "5"},
        {"message.timeout.ms", "0"}, /* as long as it takes: back-pressure bounds it */
        {"queue.buffering.max.messages", "50000"},
        {"queue.buffering.max.kbytes", "65536"},
    };
    struct kafka_options options = {
        .settings = settings,
        .setting_count = ARRAY_LEN(settings),
        .configure = configure,
        .context = side,
    };

    return kafka_client_create(&side->plan->kafka, RD_KAFKA_PRODUCER, &options, &side->client, err);
}

static int topic_open(struct side_output *side, const char *name, rd_kafka_topic_t **ret,
                      struct err *err)
{
    if (!name)
        return 0;
    *ret = rd_kafka_topic_new(side->client, name, NULL);
    if (!*ret)
        return err_set(err, -EIO, "topic %s: %s", name, rd_kafka_err2str(rd_kafka_last_error()));
    return 0;
}

int side_output_create(const struct plan *plan, const struct side_hooks *hooks,
                       struct side_output **ret, struct err *err)
{
    struct side_output *side;
    int error;

    *ret = NULL;
    if (!is_wanted(plan))
        return 0;
    side = calloc(1, sizeof(*side));
    CHECK(side);
    side->plan = plan;
    side->hooks = *hooks;
    side->topics = calloc((size_t)plan->source_count * 2, sizeof(rd_kafka_topic_t *));
    CHECK(side->topics);

    error = client_create(side, err);
    for (uint32_t i = 0; !error && i < plan->source_count; i++) {
        rd_kafka_topic_t **topics = &side->topics[(size_t)i * 2];

        error = topic_open(side, plan->sources[i].dead_letter_topic, &topics[SIDE_DEAD_LETTER],
                           err);
        if (!error)
            error = topic_open(side, plan->sources[i].late_topic, &topics[SIDE_LATE], err);
    }
    if (error) {
        side_output_free(side);
        return error;
    }
    *ret = side;
    return 0;
}

void side_output_free(struct side_output *side)
{
    if (!side)
        return;
    for (uint32_t i = 0; i < side->plan->source_count * 2; i++) {
        if (side->topics[i])
            rd_kafka_topic_destroy(side->topics[i]);
    }
    if (side->client)
        rd_kafka_destroy(side->client);
    free(side->topics);
    free(side);
}

int side_output_send(struct side_output *side, uint32_t source, const struct side_record *record,
                     struct buf *scratch)
{
    rd_kafka_topic_t *topic = side ? side->topics[(size_t)source * 2 + record->kind] : NULL;
    const struct slice key = record->record->key;

    if (!topic)
        return 0;
    buf_reset(scratch);
    side_record_json(record, scratch);
    if (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, scratch->data,
                         scratch->len, key.data, key.len, NULL) == 0)
        return 0;
    if (rd_kafka_last_error() == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return -EAGAIN;
    atomic_fetch_add_explicit(&side->failures, 1, memory_order_relaxed);
    side->hooks.notice(side->hooks.context, rd_kafka_err2str(rd_kafka_last_error()));
    return 0;
}

void side_output_poll(struct side_output *side)
{
    if (side)
        rd_kafka_poll(side->client, 0);
}

int side_output_flush(struct side_output *side, int timeout_ms)
{
    if (!side || rd_kafka_flush(side->client, timeout_ms) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    return -ETIMEDOUT;
}

uint64_t side_output_failures(const struct side_output *side)
{
    return side
               ? atomic_load_explicit(&((struct side_output *)side)->failures, memory_order_relaxed)
               : 0;
}
