/* sim [--seeds COUNT] [--first SEED] [--trace]: runs so many seeds, from SEED on.
 *
 * Runs happen in child processes; the parent knows which seed was running when it ended, however it
 * ended, and says how to run that one again. Now and then a seed is run twice: both must have done
 * exactly the same. */

#include <getopt.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim.h"

#define TWICE_EVERY   10
#define RUN_SECONDS   120
#define CHILD_SEEDS   UINT64_C(1000) /* then another child: arenas leave mappings behind */
#define DEFAULT_SEEDS 100

/* Written by the child. */
struct board {
    uint64_t seed; /* that is running */
    uint64_t rows;
    uint64_t crashes;
    uint64_t rebalances;
    uint64_t checkpoints;
    uint64_t corrupt;
    uint64_t frozen;
    uint64_t set_aside;
    uint64_t steps;
};

static bool trace;

static uint64_t run(uint64_t seed, struct board *board)
{
    memset(&sim, 0, sizeof(sim));
    sim.seed = sim.random = seed;
    sim.trace = trace;
    scenario_init(&sim.scenario, seed);
    alarm(RUN_SECONDS);
    fleet_run();
    board->rows += sim.rows;
    board->crashes += sim.crashes;
    board->rebalances += sim.rebalances;
    board->checkpoints += sim.checkpoints;
    board->corrupt += sim.corrupt;
    board->frozen += sim.frozen;
    board->set_aside += sim.side_count;
    board->steps += sim.steps;
    taps_free();
    free(sim.sides);
    scenario_done(&sim.scenario);
    return sim.digest;
}

static void run_all(uint64_t first, uint64_t count, struct board *board)
{
    log_set_level(LOG_ERROR);
    for (board->seed = first; board->seed < first + count; board->seed++) {
        uint64_t digest = run(board->seed, board);

        if (board->seed % TWICE_EVERY == 0 && run(board->seed, board) != digest)
            sim_fail("run again, the same seed did something else");
    }
    exit(0);
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);

    if (*text == '\0' || *end != '\0') {
        fprintf(stderr, "sim: not a number: %s\n", text);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seeds", required_argument, NULL, 'n'},
        {"first", required_argument, NULL, 'f'},
        {"trace", no_argument, NULL, 't'},
        {0},
    };
    struct board *board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t count = DEFAULT_SEEDS;
    uint64_t first = 1;
    int option, status;

    CHECK(board != MAP_FAILED);
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'n')
            count = number(optarg);
        else if (option == 'f')
            first = number(optarg);
        else if (option == 't')
            trace = true;
        else
            return 2;
    }
    status = 0;
    for (uint64_t done = 0; done < count && status == 0; done += CHILD_SEEDS) {
        pid_t child = fork();

        CHECK(child >= 0);
        if (child == 0)
            run_all(first + done, MIN(count - done, CHILD_SEEDS), board);
        CHECK(waitpid(child, &status, 0) == child);
    }
    if (status != 0) {
        fprintf(stderr, "sim: seed %" PRIu64 " FAILED%s; again: %s --seeds 1 --first %" PRIu64 "\n",
                board->seed, WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? " (hangs)" : "",
                argv[0], board->seed);
        return 1;
    }
    printf("sim: seeds %" PRIu64 " to %" PRIu64 " passed: %" PRIu64 " turns, %" PRIu64
           " rows, %" PRIu64 " set aside, %" PRIu64 " checkpoints, %" PRIu64 " crashes, %" PRIu64
           " rebalances, %" PRIu64 " corrupt, %" PRIu64 " frozen\n",
           first, first + count - 1, board->steps, board->rows, board->set_aside,
           board->checkpoints, board->crashes, board->rebalances, board->corrupt, board->frozen);
    return 0;
}
