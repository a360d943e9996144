"""CPU time and memory of other processes, from /proc."""

import os
import threading
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_KINDS = [("shard-", None), ("rdk:", "kafka"), ("rocksdb:", "rocksdb")]  # None: the thread's name


def cpu_seconds(pid):
    """User and system time of all threads, those that have ended too."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def host():
    """What figures of this machine depend on."""
    names = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")]
    memory = Path("/proc/meminfo").read_text().split()[1]
    return {"name": os.uname().nodename, "kernel": os.uname().release, "cpu": (names or ["?"])[0],
            "cores": len(os.sched_getaffinity(0)), "memory_gib": round(int(memory) / 2**20, 1),
            "load": round(os.getloadavg()[0], 1)}


class Sampler(threading.Thread):
    """Looks at a process until it ends: `cpu` by thread, its largest memory. A thread that ends
    between two looks takes its last few milliseconds with it."""

    def __init__(self, pid, every=0.05):
        super().__init__(daemon=True)
        self.pid = pid
        self.every = every
        self.peak_bytes = 0
        self._threads = {}  # by tid: kind, seconds
        self._ended = threading.Event()

    def run(self):
        while not self._ended.wait(self.every):
            self._look()

    def end(self):
        self._ended.set()
        self.join()

    def cpu(self):
        """{kind of thread: seconds}"""
        found = {}
        for kind, seconds in self._threads.values():
            found[kind] = found.get(kind, 0) + seconds
        return dict(sorted(found.items()))

    def _look(self):
        try:
            for task in Path(f"/proc/{self.pid}/task").iterdir():
                self._threads[task.name] = self._thread(task)
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    self.peak_bytes = int(line.split()[1]) * 1024
        except (FileNotFoundError, ProcessLookupError):
            pass  # a thread, or all of it, ended just now

    def _thread(self, task):
        name = (task / "comm").read_text().strip()
        spent = int((task / "schedstat").read_text().split()[0]) / 1e9
        if task.name == str(self.pid):
            return "control", spent
        for beginning, kind in _KINDS:
            if name.startswith(beginning):
                return kind or name, spent
        return "other", spent
