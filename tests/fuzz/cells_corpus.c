/* Writes the first files of the corpus of fuzz_cells: panes as events make them.
 *
 *   build/dev/tests/cells_corpus tests/fuzz/corpus/cells */
#include "cells_world.h"

#define ONLY(field) (1u << (field))
#define ALL         (~0u)

static const struct {
    const char *name;
    struct world_events events;
} recipes[] = {
    {"empty", {.values = 1}},
    {"one_without_fields", {.count = 1, .values = 1}},
    {"one", {.count = 1, .values = 1, .fields = ALL}},
    {"two", {.count = 2, .values = 2, .fields = ALL}},
    {"few", {.count = 10, .values = 4, .fields = ALL}},
    {"few_wide", {.count = 10, .values = 10, .fields = ALL, .wide = true}},
    {"some", {.count = 40, .values = 20, .fields = ALL}},
    {"some_wide", {.count = 40, .values = 40, .fields = ALL, .wide = true}},
    {"strings_1", {.count = 1, .values = 1, .fields = ONLY(WORLD_S)}},
    {"strings_2", {.count = 4, .values = 2, .fields = ONLY(WORLD_S)}},
    {"strings_6", {.count = 30, .values = 6, .fields = ONLY(WORLD_S)}},
    {"strings_7", {.count = 30, .values = 7, .fields = ONLY(WORLD_S)}},
    {"strings_64", {.count = 600, .values = 64, .fields = ONLY(WORLD_S)}},
    {"strings_65", {.count = 600, .values = 65, .fields = ONLY(WORLD_S)}},
    {"strings_300", {.count = 900, .values = 300, .fields = ONLY(WORLD_S)}},
    {"strings_1300", {.count = 1300, .values = 1000000, .fields = ONLY(WORLD_S)}},
    {"strings_3000", {.count = 3000, .values = 1000000, .fields = ONLY(WORLD_S)}},
    {"ints", {.count = 5, .values = 5, .fields = ONLY(WORLD_I)}},
    {"ints_wide", {.count = 30, .values = 30, .fields = ONLY(WORLD_I), .wide = true}},
    {"doubles_1", {.count = 1, .values = 1, .fields = ONLY(WORLD_D)}},
    {"doubles_zero", {.first = 2, .count = 1, .values = 3, .fields = ONLY(WORLD_D)}},
    {"doubles", {.count = 8, .values = 6, .fields = ONLY(WORLD_D)}},
    {"doubles_wide", {.count = 20, .values = 20, .fields = ONLY(WORLD_D), .wide = true}},
    {"doubles_many", {.count = 200, .values = 90, .fields = ONLY(WORLD_D)}},
    {"doubles_300", {.count = 320, .values = 1000, .fields = ONLY(WORLD_D), .wide = true}},
    {"decimals", {.count = 5, .values = 5, .fields = ONLY(WORLD_M)}},
    {"decimals_wide", {.count = 25, .values = 25, .fields = ONLY(WORLD_M), .wide = true}},
    {"bools", {.count = 5, .values = 5, .fields = ONLY(WORLD_B)}},
    {"times", {.count = 5, .values = 5, .fields = ONLY(WORLD_T)}},
};

static void write_file(const char *directory, const char *name, struct slice bytes)
{
    struct buf path = {0};

    buf_printf(&path, "%s/%s", directory, name);
    FILE *file = fopen(buf_string(&path), "wb");

    if (!file || fwrite(bytes.data, 1, bytes.len, file) != bytes.len || fclose(file) != 0) {
        perror(buf_string(&path));
        exit(1);
    }
    buf_free(&path);
}

int main(int argc, char **argv)
{
    struct world world;
    struct buf bytes = {0};

    if (argc != 2) {
        fprintf(stderr, "usage: cells_corpus DIRECTORY\n");
        return 2;
    }
    world_init(&world);
    for (size_t i = 0; i < ARRAY_LEN(recipes); i++) {
        char *pane = world_pane(&world);

        world_add(&world, pane, &recipes[i].events);
        world_save(&world, pane, &bytes);
        write_file(argv[1], recipes[i].name, buf_slice(&bytes));
        printf("%s %zu\n", recipes[i].name, bytes.len);
        pane_cells_done(world.paneset, pane, &world.memory);
        free(pane);
    }
    buf_free(&bytes);
    world_done(&world);
    return 0;
}
