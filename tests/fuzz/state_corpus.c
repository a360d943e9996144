/* Writes the first files of the corpus of fuzz_state: what events make, under the plan's layout and
 * under that of the same views in another order.
 *
 *   build/dev/tests/state_corpus tests/fuzz/corpus/state */
#include "state_world.h"

static const char *directory;

static void write_file(const char *name, int number, int what, struct slice layout,
                       struct slice value)
{
    const char head[] = {(char)what, (char)layout.len, (char)(layout.len >> 8)};
    struct buf path = {0};

    buf_printf(&path, "%s/%s_%d", directory, name, number);
    FILE *file = fopen(buf_string(&path), "wb");

    if (!file || fwrite(head, 1, 3, file) != 3 ||
        fwrite(layout.data, 1, layout.len, file) != layout.len ||
        fwrite(value.data, 1, value.len, file) != value.len || fclose(file) != 0) {
        perror(buf_string(&path));
        exit(1);
    }
    buf_free(&path);
}

static void write_captured(const char *name, struct keyspace *keyspace, uint64_t number,
                           struct slice layout)
{
    struct buf captured = world_capture(keyspace, number);
    struct slice key, value;
    int count = 0;

    for (struct slice from = buf_slice(&captured); from.len > 0;) {
        CHECK(entry_next(&from, &key, &value) == 0);
        write_file(name, count++, key.data[4] == ENTRY_IDS ? WORLD_IDS : WORLD_KEY_VALUE, layout,
                   value);
    }
    buf_free(&captured);
}

static void write_life(struct world *world, const char *names[4], struct slice layout)
{
    struct keyspace *keyspace = world_keyspace(world);

    world_event(keyspace, 100, WATERMARK_NONE);
    write_captured(names[0], keyspace, 1, layout);
    for (int i = 0; i < 12; i++)
        world_event(keyspace, 100 + i * 7, 80);
    world_advance(keyspace, 110, 150);
    world_event(keyspace, 104, 112);
    world_event(keyspace, 101, 120);
    write_captured(names[1], keyspace, 2, layout);
    while (keyspace_finish(keyspace, 10))
        ;
    world_event(keyspace, 170, 150);
    world_event(keyspace, 181, 150);
    write_captured(names[2], keyspace, 3, layout);
    world_advance(keyspace, 290, 290);
    write_captured(names[3], keyspace, 4, layout);
    keyspace_free(keyspace);
}

int main(int argc, char **argv)
{
    const char *names[] = {"one", "some", "finished", "old"};
    const char *mapped[] = {"one_mapped", "some_mapped", "finished_mapped", "old_mapped"};
    struct buf layout = {0};
    struct world world;

    if (argc != 2) {
        fprintf(stderr, "usage: state_corpus DIRECTORY\n");
        return 2;
    }
    directory = argv[1];
    world_init(&world);
    schema_save(world.plan, 0, &layout);
    write_life(&world, names, SLICE_LITERAL(""));
    write_life(&world, mapped, buf_slice(&layout));
    write_file("layout", 0, WORLD_KEY_VALUE, buf_slice(&layout), SLICE_LITERAL(""));
    buf_free(&layout);
    intern_done(&world.intern);
    arena_done(&world.arena);
    plan_free(world.plan);
    return 0;
}
