// The one place that knows simdjson.

#include <cerrno>
#include <memory>
#include <simdjson.h>

extern "C" {
#include "decode/json_index.h"
}

struct json_index {
    std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
};

// Depth matters to simdjson's second stage only, which is not used.
static constexpr size_t DEPTH = 1;
static constexpr size_t CAPACITY_FIRST = 4096;

static int grow(struct json_index *index, size_t capacity)
{
    if (!index->parser)
        return simdjson::get_active_implementation()->create_dom_parser_implementation(
            capacity, DEPTH, index->parser);
    return index->parser->allocate(capacity, DEPTH);
}

extern "C" struct json_index *json_index_create(void)
{
    struct json_index *index = new json_index();

    CHECK(grow(index, CAPACITY_FIRST) == simdjson::SUCCESS);
    return index;
}

extern "C" void json_index_free(struct json_index *index)
{
    delete index;
}

extern "C" int json_index_build(struct json_index *index, struct slice text,
                                const uint32_t **ret_at, uint32_t *ret_count)
{
    if (text.len == 0 || text.len > simdjson::SIMDJSON_MAXSIZE_BYTES)
        return -EBADMSG;
    if (text.len > index->parser->capacity())
        CHECK(grow(index, text.len * 2) == simdjson::SUCCESS);

    const uint8_t *bytes = reinterpret_cast<const uint8_t *>(text.data);
    if (index->parser->stage1(bytes, text.len, simdjson::stage1_mode::regular) != simdjson::SUCCESS)
        return -EBADMSG;
    *ret_at = index->parser->structural_indexes.get();
    *ret_count = index->parser->n_structural_indexes;
    return 0;
}
