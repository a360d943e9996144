package freshet.peers;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What one pass over the topic has done and what it cost, printed at its end as a line of JSON. CPU
 * is user and system time of all threads of the process, as /proc/self/stat has it: from the moment
 * when the first record is decoded, so that the start of the JVM and of the job is left out, to the
 * end of the job. A second pass in the same process finds its code compiled.
 */
public final class Run {
    private static final double TICKS_PER_S = 100; // of Linux towards programs, everywhere

    private static final Path SELF = Path.of("/proc/self/stat");
    private static final List<String> COMPILER = List.of("C1 Comp", "C2 Comp");
    private static final List<String> COLLECTOR = List.of("GC Thread", "G1", "VM Thread");

    private static final AtomicLong rows = new AtomicLong();
    private static final AtomicLong beyond = new AtomicLong();
    private static final AtomicLong hash = new AtomicLong();
    private static final AtomicLong dead = new AtomicLong();
    private static final AtomicLong late = new AtomicLong();
    private static boolean begun;
    private static double cpuAtStart;
    private static double compilerAtStart;
    private static double collectorAtStart;
    private static long startNs;

    private Run() {}

    /** Called with each task's first record. */
    public static synchronized void begin() {
        if (!begun) {
            begun = true;
            cpuAtStart = cpuOf(SELF);
            compilerAtStart = threadsCpu(COMPILER);
            collectorAtStart = threadsCpu(COLLECTOR);
            startNs = System.nanoTime();
        }
    }

    /** `beyond`: rows of windows that only the end of the input has fired, and are not written. */
    static void addRows(long count, long beyondCount, long sum) {
        rows.addAndGet(count);
        beyond.addAndGet(beyondCount);
        hash.addAndGet(sum);
    }

    public static void addDead(long count) {
        dead.addAndGet(count);
    }

    public static void addLate(long count) {
        late.addAndGet(count);
    }

    public static synchronized void end() {
        double cpu = cpuOf(SELF) - cpuAtStart;
        double seconds = (System.nanoTime() - startNs) / 1e9;
        System.out.printf("{\"dead\":%d,\"late\":%d,\"rows\":%d,\"rows_beyond\":%d,"
                        + "\"hash\":\"%016x\",\"seconds\":%.2f,\"cpu_s\":%.2f,\"before_s\":%.2f,"
                        + "\"compiler_cpu_s\":%.2f,\"gc_cpu_s\":%.2f}%n",
                dead.getAndSet(0), late.getAndSet(0), rows.getAndSet(0), beyond.getAndSet(0),
                hash.getAndSet(0), seconds, cpu, cpuAtStart,
                threadsCpu(COMPILER) - compilerAtStart, threadsCpu(COLLECTOR) - collectorAtStart);
        begun = false;
    }

    private static double cpuOf(Path stat) {
        try {
            String text = Files.readString(stat);
            String[] words = text.substring(text.lastIndexOf(')') + 2).split(" ");
            return (Long.parseLong(words[11]) + Long.parseLong(words[12])) / TICKS_PER_S;
        } catch (IOException e) {
            return 0; // a thread that has ended
        }
    }

    private static double threadsCpu(List<String> names) {
        double sum = 0;
        try (DirectoryStream<Path> tasks = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
            for (Path task : tasks) {
                String name = Files.readString(task.resolve("comm"));
                if (names.stream().anyMatch(name::startsWith)) {
                    sum += cpuOf(task.resolve("stat"));
                }
            }
        } catch (IOException e) {
            return sum;
        }
        return sum;
    }
}
