/* Reads a partition through src/kafka over a plain blocking socket, for tests against a real
 * broker.
 *
 *   wire_dump ADDRESS PORT TOPIC PARTITION [NAME=NUMBER …]
 *
 *   version=12        of Fetch, at most; and so list_version=, of ListOffsets
 *   committed=1       isolation
 *   from=0            first offset
 *   bytes=1048576     of a partition, per fetch
 *   session=1         all fetches in one session
 *   epoch=-1          current leader epoch to ask with
 *   fetched_epoch=-1  that the record before belongs to
 *   time=0            asked of ListOffsets as well
 *   take=7            records at a time
 *
 * Prints a line for each thing that it learns:
 *
 *   versions fetch=… list_offsets=…
 *   offsets earliest=… latest=… time=… time_epoch=…
 *   record OFFSET TIMESTAMP KEY VALUE                 in hexadecimal; -: null
 *   end position=… high=… stable=… start=… epoch=… fetches=… cut_off=…
 *   error fetch=… diverging_epoch=… diverging_offset=… */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kafka/api_versions.h"
#include "kafka/batches.h"
#include "kafka/list_offsets.h"

#define FRAME_MAX (64u << 20)
#define TAKEN_MAX 64

enum {
    VERSION,
    LIST_VERSION,
    COMMITTED,
    FROM,
    BYTES,
    SESSION,
    EPOCH,
    FETCHED_EPOCH,
    TIME,
    TAKE,
    SETTING_COUNT
};

static struct {
    const char *name;
    int64_t value;
} settings[] = {
    [VERSION] = {"version", 12},
    [LIST_VERSION] = {"list_version", 5},
    [COMMITTED] = {"committed"},
    [FROM] = {"from"},
    [BYTES] = {"bytes", 1 << 20},
    [SESSION] = {"session"},
    [EPOCH] = {"epoch", -1},
    [FETCHED_EPOCH] = {"fetched_epoch", -1},
    [TIME] = {"time"},
    [TAKE] = {"take", TAKEN_MAX},
};

static int connection;
static struct buf out;
static struct buf in;
static size_t taken_bytes; /* of `in`: the response before */
static struct kafka_request head = {.client_id = SLICE_LITERAL("wire_dump")};
static struct slice topic;
static int32_t partition;

PRINTF_LIKE(1, 2) static void stop(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

static enum kafka_isolation isolation(void)
{
    return settings[COMMITTED].value ? KAFKA_READ_COMMITTED : KAFKA_READ_UNCOMMITTED;
}

static void begin(enum kafka_api api, int16_t version)
{
    head.api = api;
    head.version = version;
    head.correlation_id++;
    buf_reset(&out);
}

/* Sends what `out` holds; the response's body. */
static struct wire_reader ask(void)
{
    struct wire_reader body;
    struct slice frame;
    int rc;

    for (size_t at = 0; at < out.len;) {
        ssize_t sent = send(connection, out.data + at, out.len - at, MSG_NOSIGNAL);

        if (sent <= 0)
            stop("send: %s", strerror(errno));
        at += (size_t)sent;
    }
    buf_consume(&in, taken_bytes);
    taken_bytes = 0;
    while ((rc = kafka_response_frame(buf_slice(&in), FRAME_MAX, &frame)) == 0) {
        ssize_t got = recv(connection, buf_reserve(&in, frame.len), frame.len - in.len, 0);

        if (got <= 0)
            stop("recv: %s", got ? strerror(errno) : "closed");
        in.len += (size_t)got;
    }
    if (rc < 0)
        stop("no frame");
    taken_bytes = KAFKA_SIZE_BYTES + frame.len;
    if (kafka_response_begin(frame, &head, &body))
        stop("no response to what was asked");
    return body;
}

static int16_t chosen(const struct api_versions *versions, enum kafka_api api, int64_t at_most)
{
    struct kafka_versions broker = versions->broker[api];
    int16_t version;

    broker.last = (int16_t)MIN(broker.last, at_most);
    if (kafka_api_choose(api, broker, &version))
        stop("no common version");
    return version;
}

static void ask_versions(struct api_versions *ret)
{
    for (int16_t version = kafka_api_versions(KAFKA_API_API_VERSIONS).last; version >= 0;
         version--) {
        begin(KAFKA_API_API_VERSIONS, version);
        api_versions_request(&out, &head, SLICE_LITERAL("freshet"), SLICE_LITERAL("test"));
        if (api_versions_read(ask(), version, ret) || ret->error)
            stop("ApiVersions %d: error %d", version, ret->error);
        if (!version)
            return;
    }
}

static struct list_offsets_answer ask_offset(int16_t version, int64_t timestamp_ms)
{
    struct list_offsets_partition wanted = {
        .partition = partition, .leader_epoch = -1, .timestamp_ms = timestamp_ms};
    struct list_offsets_topic wanted_topic = {topic, &wanted, 1};
    struct list_offsets_response response;
    struct list_offsets_answer answer;

    begin(KAFKA_API_LIST_OFFSETS, version);
    list_offsets_request(&out, &head, isolation(), &wanted_topic, 1);
    if (list_offsets_response(ask(), version, &response) ||
        !list_offsets_response_next(&response, &answer))
        stop("ListOffsets is not understood");
    if (answer.error || !slice_equal(answer.topic, topic) || answer.partition != partition)
        stop("ListOffsets: error %d", answer.error);
    return answer;
}

static void print_hex(struct slice bytes)
{
    printf(bytes.data ? " x" : " -");
    for (size_t i = 0; i < bytes.len; i++)
        printf("%02x", (uint8_t)bytes.data[i]);
}

struct reading {
    int64_t position;
    int32_t epoch;
    int32_t session_id;
    int32_t session_epoch;
    int64_t cut_off; /* times */
    struct aborted_list aborted;
    struct decompressor decompressor;
};

static void print_records(struct reading *reading, const struct fetch_answer *answer)
{
    static struct record taken[TAKEN_MAX];
    struct batches_options options = {
        .partition = partition,
        .offset = reading->position,
        .aborted = settings[COMMITTED].value ? &reading->aborted : NULL,
        .decompressor = &reading->decompressor,
        .bytes_max = FRAME_MAX,
    };
    struct batches batches;
    int got;

    aborted_list_fill(&reading->aborted, answer->aborted);
    batches_init(&batches, answer->records, &options);
    while ((got = batches_next(&batches, taken, (int)settings[TAKE].value)) > 0) {
        for (int i = 0; i < got; i++) {
            printf("record %" PRId64 " %" PRId64, taken[i].offset, taken[i].timestamp_ms);
            print_hex(taken[i].key);
            print_hex(taken[i].value);
            putchar('\n');
        }
    }
    if (got < 0)
        stop("offset %" PRId64 ": %s", batches.position, record_problem_text(batches.problem));
    reading->cut_off += batches.cut_off_bytes > 0;
    reading->position = batches.position;
    reading->epoch = batches.leader_epoch;
}

static void put_fetch(const struct reading *reading)
{
    struct fetch_partition wanted = {.partition = partition,
                                     .leader_epoch = (int32_t)settings[EPOCH].value,
                                     .fetched_epoch = (int32_t)settings[FETCHED_EPOCH].value,
                                     .offset = reading->position,
                                     .bytes_max = (int32_t)settings[BYTES].value};
    struct fetch_topic wanted_topic = {topic, &wanted, 1};
    struct fetch_request request = {.wait_ms_max = 200,
                                    .bytes_min = 1,
                                    .bytes_max = FRAME_MAX,
                                    .isolation = isolation(),
                                    .session_id = reading->session_id,
                                    .session_epoch = reading->session_epoch,
                                    .topics = &wanted_topic,
                                    .topic_count = 1};

    fetch_request(&out, &head, &request);
}

/* False: the partition has an error, which is printed. */
static bool fetch(struct reading *reading, int16_t version, struct fetch_answer *ret)
{
    struct fetch_response response;

    begin(KAFKA_API_FETCH, version);
    put_fetch(reading);
    if (fetch_response(ask(), version, &response))
        stop("Fetch is not understood");
    if (response.error)
        stop("Fetch: error %d", response.error);
    if (settings[SESSION].value) {
        if (reading->session_id && response.session_id != reading->session_id)
            stop("Fetch: session %d, not %d", response.session_id, reading->session_id);
        reading->session_id = response.session_id;
        reading->session_epoch++;
    }
    if (!fetch_response_next(&response, ret))
        return true; /* no news in a session: *ret is as before, and nothing was read */
    if (!slice_equal(ret->topic, topic) || ret->partition != partition)
        stop("Fetch: another partition");
    if (ret->error || ret->diverging_epoch >= 0) {
        printf("error fetch=%d diverging_epoch=%d diverging_offset=%" PRId64 "\n", ret->error,
               ret->diverging_epoch, ret->diverging_offset);
        return false;
    }
    print_records(reading, ret);
    return true;
}

static void read_all(int16_t version)
{
    struct reading reading = {
        .position = settings[FROM].value,
        .epoch = -1,
        .session_epoch = settings[SESSION].value ? FETCH_SESSION_BEGIN : FETCH_SESSION_NONE,
    };
    struct fetch_answer answer = {0};
    int64_t end;
    int fetches = 0;

    do {
        if (!fetch(&reading, version, &answer))
            return;
        fetches++;
        end = settings[COMMITTED].value ? answer.last_stable_offset : answer.high_watermark;
    } while (reading.position < end);
    printf("end position=%" PRId64 " high=%" PRId64 " stable=%" PRId64 " start=%" PRId64
           " epoch=%d fetches=%d cut_off=%" PRId64 "\n",
           reading.position, answer.high_watermark, answer.last_stable_offset,
           answer.log_start_offset, reading.epoch, fetches, reading.cut_off);
    aborted_list_done(&reading.aborted);
    decompressor_done(&reading.decompressor);
}

static void read_setting(const char *text)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        size_t len = strlen(settings[i].name);

        if (strncmp(text, settings[i].name, len) == 0 && text[len] == '=') {
            settings[i].value = strtoll(text + len + 1, NULL, 10);
            return;
        }
    }
    stop("no such setting: %s", text);
}

static void open_connection(const char *address, const char *port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};

    if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
        stop("no address: %s", address);
    connection = socket(AF_INET, SOCK_STREAM, 0);
    if (connection < 0 || connect(connection, (struct sockaddr *)&to, sizeof(to)))
        stop("connect: %s", strerror(errno));
}

int main(int argc, char **argv)
{
    struct api_versions versions;

    if (argc < 5)
        stop("usage: wire_dump ADDRESS PORT TOPIC PARTITION [NAME=NUMBER ...]");
    topic = slice_of(argv[3]);
    partition = (int32_t)strtol(argv[4], NULL, 10);
    for (int i = 5; i < argc; i++)
        read_setting(argv[i]);
    settings[TAKE].value = MIN(MAX(settings[TAKE].value, (int64_t)1), (int64_t)TAKEN_MAX);
    open_connection(argv[1], argv[2]);

    ask_versions(&versions);
    int16_t version = chosen(&versions, KAFKA_API_FETCH, settings[VERSION].value);
    int16_t list_version = chosen(&versions, KAFKA_API_LIST_OFFSETS, settings[LIST_VERSION].value);
    struct list_offsets_answer at_time;

    printf("versions fetch=%d list_offsets=%d\n", version, list_version);
    printf("offsets earliest=%" PRId64, ask_offset(list_version, LIST_OFFSETS_EARLIEST).offset);
    printf(" latest=%" PRId64, ask_offset(list_version, LIST_OFFSETS_LATEST).offset);
    at_time = ask_offset(list_version, settings[TIME].value);
    printf(" time=%" PRId64 " time_epoch=%d\n", at_time.offset, at_time.leader_epoch);
    read_all(version);
    close(connection);
    buf_free(&in);
    buf_free(&out);
    return 0;
}
