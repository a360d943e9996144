package freshet.peers;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What one run of this process has done and what it cost, printed at its end as a line of JSON. CPU is
 * user and system time of all threads, as /proc/self/stat has it: from the moment when the first
 * record is decoded, so that the start of the JVM and of the job is left out, to the end of the job.
 */
public final class Run {
    private static final double TICKS_PER_S = 100; // of Linux towards programs, everywhere

    private static final AtomicLong rows = new AtomicLong();
    private static final AtomicLong beyond = new AtomicLong();
    private static final AtomicLong hash = new AtomicLong();
    private static final AtomicLong dead = new AtomicLong();
    private static final AtomicLong late = new AtomicLong();
    private static boolean begun;
    private static double cpuAtStart;
    private static long startNs;

    private Run() {}

    /** Called with each task's first record. */
    public static synchronized void begin() {
        if (!begun) {
            begun = true;
            cpuAtStart = cpuOf(Path.of("/proc/self/stat"));
            startNs = System.nanoTime();
        }
    }

    /** `beyond`: rows of windows that only the end of the input has fired, and that were not written. */
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
        double cpu = cpuOf(Path.of("/proc/self/stat")) - cpuAtStart;
        double seconds = (System.nanoTime() - startNs) / 1e9;
        System.out.printf("{\"dead\":%d,\"late\":%d,\"rows\":%d,\"rows_beyond\":%d,"
                        + "\"hash\":\"%016x\",\"seconds\":%.2f,\"cpu_s\":%.2f,\"start_cpu_s\":%.2f,"
                        + "\"compiler_cpu_s\":%.2f,\"gc_cpu_s\":%.2f}%n",
                dead.get(), late.get(), rows.get(), beyond.get(), hash.get(),
                seconds, cpu, cpuAtStart, threadsCpu("C1 Comp", "C2 Comp"),
                threadsCpu("GC Thread", "ParGC", "G1", "VM Thread"));
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

    private static double threadsCpu(String... names) {
        double sum = 0;
        try (DirectoryStream<Path> tasks = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
            for (Path task : tasks) {
                String name = Files.readString(task.resolve("comm"));
                for (String wanted : names) {
                    if (name.startsWith(wanted)) {
                        sum += cpuOf(task.resolve("stat"));
                        break;
                    }
                }
            }
        } catch (IOException e) {
            return sum;
        }
        return sum;
    }
}
