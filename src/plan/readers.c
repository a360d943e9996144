/* readers - one function for each type of setting: a node of the file into a member of the plan. */
#include <errno.h>
#include <sched.h>

#include "plan/address.h"
#include "plan/bind.h"
#include "plan/settings.h"
#include "plan/value.h"

#define TOPIC_BYTES_MAX 249

/* `name: "text" what is wrong` */
static bool wrong_value(struct binder *binder, const struct tree_pair *pair, const char *what)
{
    return mistake(binder, pair->value, "%s: %s %s", bind_label(binder, pair->key->text),
                   bind_shown(binder, pair->value), what);
}

/* A scalar that stands without quotes, as numbers and true and false do. */
static bool plain_scalar(struct binder *binder, const struct tree_pair *pair)
{
    if (!bind_scalar(binder, pair))
        return false;
    if (!pair->value->plain)
        return wrong_value(binder, pair, "must stand without quotes");
    return true;
}

static bool out_of_bounds(struct binder *binder, const struct setting *setting,
                          const struct tree_pair *pair, void (*print)(struct buf *, int64_t))
{
    struct buf bounds = {0};

    print(&bounds, setting->min);
    buf_append(&bounds, " to ", 4);
    print(&bounds, setting->max);
    mistake(binder, pair->value, "%s: %s is out of range: %s", bind_label(binder, pair->key->text),
            bind_shown(binder, pair->value), buf_string(&bounds));
    buf_free(&bounds);
    return false;
}

static bool within_bounds(const struct setting *setting, int64_t value)
{
    return value >= setting->min && value <= setting->max;
}

static void print_int64(struct buf *out, int64_t value)
{
    buf_printf(out, "%lld", (long long)value);
}

static bool read_text(struct binder *binder, const struct setting *setting,
                      const struct tree_pair *pair, void *to)
{
    (void)setting;
    if (!bind_scalar(binder, pair))
        return false;
    struct slice text = pair->value->text;

    if (text.len == 0)
        return mistake(binder, pair->value, "%s is empty", bind_label(binder, pair->key->text));
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] < 0x20)
            return wrong_value(binder, pair, "has control characters");
    }
    *(const char **)to = plan_text(binder->memory, text);
    return true;
}

static bool read_name(struct binder *binder, const struct setting *setting,
                      const struct tree_pair *pair, void *to)
{
    return bind_scalar(binder, pair) && bind_name(binder, pair->value, setting->name) &&
           read_text(binder, setting, pair, to);
}

static bool is_topic(struct slice text)
{
    if (text.len == 0 || text.len > TOPIC_BYTES_MAX || slice_equal(text, SLICE_LITERAL(".")) ||
        slice_equal(text, SLICE_LITERAL("..")))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

static bool read_topic(struct binder *binder, const struct setting *setting,
                       const struct tree_pair *pair, void *to)
{
    if (!bind_scalar(binder, pair))
        return false;
    if (!is_topic(pair->value->text))
        return wrong_value(binder, pair,
                           "is not a name that Kafka takes: letters, digits, . _ and -, at most "
                           "249");
    return read_text(binder, setting, pair, to);
}

static bool read_bool(struct binder *binder, const struct setting *setting,
                      const struct tree_pair *pair, void *to)
{
    struct err err;

    (void)setting;
    if (!plain_scalar(binder, pair))
        return false;
    if (value_bool(pair->value->text, to, &err) < 0)
        return wrong_value(binder, pair, err.text);
    return true;
}

static bool read_count(struct binder *binder, const struct setting *setting,
                       const struct tree_pair *pair, void *to)
{
    struct err err;
    int64_t value;

    if (!plain_scalar(binder, pair))
        return false;
    int rc = value_int64(pair->value->text, &value, &err);
    if (rc == -EINVAL)
        return wrong_value(binder, pair, err.text);
    if (rc < 0 || !within_bounds(setting, value))
        return out_of_bounds(binder, setting, pair, print_int64);
    *(uint32_t *)to = (uint32_t)value;
    return true;
}

static bool read_number(struct binder *binder, const struct setting *setting,
                        const struct tree_pair *pair, void *to)
{
    struct err err;
    double value;

    if (!plain_scalar(binder, pair))
        return false;
    int rc = value_double(pair->value->text, &value, &err);
    if (rc == -EINVAL)
        return wrong_value(binder, pair, err.text);
    if (rc < 0 || value < (double)setting->min || value > (double)setting->max)
        return out_of_bounds(binder, setting, pair, print_int64);
    *(double *)to = value;
    return true;
}

static bool read_shards(struct binder *binder, const struct setting *setting,
                        const struct tree_pair *pair, void *to)
{
    if (!tree_is_text(pair->value, "auto"))
        return read_count(binder, setting, pair, to);
    *(uint32_t *)to = 0;
    return true;
}

static bool read_duration(struct binder *binder, const struct setting *setting,
                          const struct tree_pair *pair, void *to)
{
    struct err err;
    int64_t value;

    if (!bind_scalar(binder, pair))
        return false;
    int rc = value_duration(pair->value->text, &value, &err);
    if (rc == -EINVAL)
        return wrong_value(binder, pair, err.text);
    if (rc < 0 || !within_bounds(setting, value))
        return out_of_bounds(binder, setting, pair, value_print_duration);
    *(int64_t *)to = value;
    return true;
}

static bool read_size(struct binder *binder, const struct setting *setting,
                      const struct tree_pair *pair, void *to)
{
    struct err err;
    int64_t value;

    if (!bind_scalar(binder, pair))
        return false;
    int rc = value_size(pair->value->text, &value, &err);
    if (rc == -EINVAL)
        return wrong_value(binder, pair, err.text);
    if (rc < 0 || !within_bounds(setting, value))
        return out_of_bounds(binder, setting, pair, value_print_size);
    *(uint64_t *)to = (uint64_t)value;
    return true;
}

static const struct choice *find_choice(struct binder *binder, const struct setting *setting,
                                        const struct tree_pair *pair)
{
    struct spelling spelling;

    if (!bind_scalar(binder, pair))
        return NULL;
    spelling_init(&spelling, pair->value->text);
    const struct choice *found = NULL;
    for (const struct choice *choice = setting->choices; choice->name && !found; choice++) {
        if (tree_is_text(pair->value, choice->name))
            found = choice;
        else if (!choice->not_yet)
            spelling_offer(&spelling, slice_of(choice->name));
    }
    if (!found)
        mistake(binder, pair->value, "%s: unknown value %s%s", bind_label(binder, pair->key->text),
                bind_shown(binder, pair->value), spelling_hint(&spelling, binder->scratch));
    spelling_done(&spelling);
    if (found && found->not_yet) {
        mistake(binder, pair->value, "%s: %s is not supported by this version yet", setting->name,
                found->name);
        return NULL;
    }
    return found;
}

static bool read_fixed(struct binder *binder, const struct setting *setting,
                       const struct tree_pair *pair, void *to)
{
    (void)to;
    return find_choice(binder, setting, pair) != NULL;
}

static bool read_choice(struct binder *binder, const struct setting *setting,
                        const struct tree_pair *pair, void *to)
{
    const struct choice *choice = find_choice(binder, setting, pair);

    if (!choice)
        return false;
    memcpy(to, &choice->value, sizeof(choice->value)); /* an enum is as wide as an int */
    return true;
}

static bool read_flag(struct binder *binder, const struct setting *setting,
                      const struct tree_pair *pair, void *to)
{
    const struct choice *choice = find_choice(binder, setting, pair);

    if (!choice)
        return false;
    *(bool *)to = choice->value != 0;
    return true;
}

static bool read_path(struct binder *binder, const struct setting *setting,
                      const struct tree_pair *pair, void *to)
{
    struct plan_path *path = to;
    const char *text;

    if (!read_text(binder, setting, pair, &text))
        return false;
    uint32_t count = 1;
    for (const char *c = text; *c; c++)
        count += *c == '.';

    struct slice *members = plan_alloc_array(binder->memory, count, sizeof(members[0]));
    struct slice rest = slice_of(text);
    for (uint32_t i = 0; i < count; i++) {
        const char *dot = memchr(rest.data, '.', rest.len);

        members[i] = (struct slice){rest.data, dot ? (size_t)(dot - rest.data) : rest.len};
        if (members[i].len == 0)
            return wrong_value(binder, pair, "has an empty member");
        rest.data += members[i].len + 1;
        rest.len -= MIN(members[i].len + 1, rest.len);
    }
    *path = (struct plan_path){members, count};
    return true;
}

static bool read_start(struct binder *binder, const struct setting *setting,
                       const struct tree_pair *pair, void *to)
{
    struct plan_source *source = to;
    struct err err;

    (void)setting;
    if (!bind_scalar(binder, pair))
        return false;
    if (tree_is_text(pair->value, "earliest")) {
        source->start = START_EARLIEST;
        return true;
    }
    if (tree_is_text(pair->value, "latest")) {
        source->start = START_LATEST;
        return true;
    }
    int rc = value_time(pair->value->text, &source->start_ms, &err);
    if (rc == -ERANGE)
        return wrong_value(binder, pair, err.text);
    if (rc < 0)
        return wrong_value(binder, pair,
                           "is neither earliest nor latest nor a time such as "
                           "2026-01-31T08:00:00Z");
    source->start = START_TIMESTAMP;
    return true;
}

static bool read_properties(struct binder *binder, const struct setting *setting,
                            const struct tree_pair *pair, void *to)
{
    struct plan_kafka *kafka = to;
    const struct tree_node *node = pair->value;
    bool good = true;

    if (!bind_mapping(binder, pair))
        return false;
    kafka->properties = plan_alloc_array(binder->memory, node->count, sizeof(kafka->properties[0]));
    for (uint32_t i = 0; i < node->count; i++) {
        const struct tree_pair *property = &node->pairs[i];
        const struct tree_pair name = {property->key, property->key};
        struct plan_property *stored = &kafka->properties[kafka->property_count];

        if (!read_text(binder, setting, &name, &stored->name) || !bind_scalar(binder, property))
            good = false;
        else if (memchr(property->value->text.data, '\0', property->value->text.len))
            good = mistake(binder, property->value, "%s has control characters", stored->name);
        else
            stored->value = plan_text(binder->memory, property->value->text);
        kafka->property_count += stored->value != NULL;
    }
    return good;
}

static bool read_redis_url(struct binder *binder, const struct setting *setting,
                           const struct tree_pair *pair, void *to)
{
    struct err err;

    (void)setting;
    if (!bind_scalar(binder, pair))
        return false;
    /* The text is not shown: it may hold a password. */
    if (address_parse_redis(pair->value->text, binder->memory, to, &err) < 0)
        return mistake(binder, pair->value, "%s: %s", bind_label(binder, pair->key->text),
                       err.text);
    return true;
}

static bool read_listen(struct binder *binder, const struct setting *setting,
                        const struct tree_pair *pair, void *to)
{
    struct plan_admin *admin = to;
    struct err err;

    (void)setting;
    if (!bind_scalar(binder, pair))
        return false;
    if (address_parse_listen(pair->value->text, binder->memory, &admin->host, &admin->port, &err) <
        0)
        return mistake(binder, pair->value, "%s: %s", bind_label(binder, pair->key->text),
                       err.text);
    return true;
}

/* CPU numbers as they are collected. */
struct cpu_list {
    int numbers[CPU_SETSIZE];
    uint32_t count;
    bool taken[CPU_SETSIZE];
};

/* "3" or "0-3". */
static const char *add_cpus(struct cpu_list *list, struct slice text)
{
    const char *dash = memchr(text.data, '-', text.len);
    struct slice first_text = {text.data, dash ? (size_t)(dash - text.data) : text.len};
    struct slice last_text = first_text;
    int64_t first;
    int64_t last;

    if (dash)
        last_text = (struct slice){dash + 1, text.len - first_text.len - 1};
    if (value_int64(first_text, &first, NULL) < 0 || value_int64(last_text, &last, NULL) < 0 ||
        first > last)
        return "is not a list of CPUs such as 0-3,6";
    if (last >= CPU_SETSIZE)
        return "names a CPU above 1023";
    for (int64_t cpu = first; cpu <= last; cpu++) {
        if (list->taken[cpu])
            return "names a CPU twice";
        list->taken[cpu] = true;
        list->numbers[list->count++] = (int)cpu;
    }
    return NULL;
}

static const char *add_cpu_text(struct cpu_list *list, struct slice text)
{
    struct slice rest = text;
    const char *problem = NULL;

    while (!problem) {
        const char *comma = memchr(rest.data, ',', rest.len);
        struct slice part = {rest.data, comma ? (size_t)(comma - rest.data) : rest.len};

        problem = add_cpus(list, part);
        if (!comma)
            break;
        rest = (struct slice){comma + 1, rest.len - part.len - 1};
    }
    return problem;
}

static bool read_cpus(struct binder *binder, const struct setting *setting,
                      const struct tree_pair *pair, void *to)
{
    struct plan_engine *engine = to;
    const struct tree_node *node = pair->value;
    struct cpu_list list = {.count = 0};

    (void)setting;
    engine->cpus = NULL;
    engine->cpu_count = 0;
    if (tree_is_text(node, "auto"))
        return true;
    if (node->kind == TREE_SEQUENCE && node->count == 0)
        return mistake(binder, node, "cpus is empty");
    if (node->kind != TREE_SEQUENCE && !bind_scalar(binder, pair))
        return false;
    uint32_t parts = node->kind == TREE_SEQUENCE ? node->count : 1;
    for (uint32_t i = 0; i < parts; i++) {
        const struct tree_node *part_node = node->kind == TREE_SEQUENCE ? node->items[i]
                                                                        : pair->value;
        struct tree_pair part = {pair->key, (struct tree_node *)part_node};

        if (!bind_scalar(binder, &part))
            return false;
        const char *problem = add_cpu_text(&list, part_node->text);
        if (problem)
            return wrong_value(binder, &part, problem);
    }
    engine->cpus = plan_alloc_array(binder->memory, list.count, sizeof(engine->cpus[0]));
    engine->cpu_count = list.count;
    memcpy(engine->cpus, list.numbers, list.count * sizeof(engine->cpus[0]));
    return true;
}

static bool read_section(struct binder *binder, const struct setting *setting,
                         const struct tree_pair *pair, void *to)
{
    return bind_section(binder, setting->section, setting->section->name, pair, to);
}

static bool read_later(struct binder *binder, const struct setting *setting,
                       const struct tree_pair *pair, void *to)
{
    (void)binder;
    (void)setting;
    (void)pair;
    (void)to;
    return true;
}

typedef bool setting_reader(struct binder *binder, const struct setting *setting,
                            const struct tree_pair *pair, void *to);

static setting_reader *const readers[SETTING_TYPE_COUNT] = {
    [SETTING_TEXT] = read_text,
    [SETTING_NAME] = read_name,
    [SETTING_TOPIC] = read_topic,
    [SETTING_BOOL] = read_bool,
    [SETTING_COUNT] = read_count,
    [SETTING_NUMBER] = read_number,
    [SETTING_DURATION] = read_duration,
    [SETTING_SIZE] = read_size,
    [SETTING_CHOICE] = read_choice,
    [SETTING_FLAG] = read_flag,
    [SETTING_FIXED] = read_fixed,
    [SETTING_PATH] = read_path,
    [SETTING_START] = read_start,
    [SETTING_WINDOW] = setting_read_window,
    [SETTING_PROPERTIES] = read_properties,
    [SETTING_REDIS_URL] = read_redis_url,
    [SETTING_SHARDS] = read_shards,
    [SETTING_CPUS] = read_cpus,
    [SETTING_LISTEN] = read_listen,
    [SETTING_SECTION] = read_section,
    [SETTING_LATER] = read_later,
};

bool setting_read(struct binder *binder, const struct setting *setting,
                  const struct tree_pair *pair, void *to)
{
    return readers[setting->type](binder, setting, pair, to);
}

const char *setting_type_name(enum setting_type type)
{
    static const char *const names[] = {
#define X(enumerator, documented) documented,
        SETTING_TYPES(X)
#undef X
    };

    return names[type];
}
