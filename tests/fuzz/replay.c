/* Runs a fuzz target over files: the corpus in every build, with any compiler.
 *
 *   fuzz_decode tests/fuzz/corpus/decode/... */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

static void replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t size = 0;
    uint8_t *data;

    if (!file) {
        perror(path);
        exit(1);
    }
    fseek(file, 0, SEEK_END);
    data = malloc((size_t)ftell(file) + 1);
    CHECK(data);
    rewind(file);
    while (!feof(file) && !ferror(file))
        size += fread(data + size, 1, 4096, file);
    fclose(file);
    printf("%s\n", path);
    fflush(stdout); /* names the file that crashes */
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    return 0;
}
