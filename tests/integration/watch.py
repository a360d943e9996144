"""A reader of the online store that sees everything that any reader could: `view.window_end` of a key
never goes back.

It reads Redis' own MONITOR, which shows every command in the order in which it took effect, so no
moment is missed between two looks. A Redis that came back empty, or with what it had saved, has
gone back by itself: forget() says so.
"""

import codecs
import re
import socket
import threading
import time

from process import Failure

_COMMAND = re.compile(rb'^\+[0-9.]+ \[\d+ [^\]]*\] (.*)$', re.DOTALL)
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_SHOWN = 5


class Watch:
    """Use as a context manager around all that writes; problems() in the end."""

    def __init__(self, server):
        self.server = server
        self.seen = {}  # (key, field) → the newest window_end
        self.writes = 0
        self.written = set()  # keys, since begin()
        self.faults = []
        self._stopped = threading.Event()
        self._watching = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        self.wait_until_watching()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._stopped.set()
        self._thread.join(10)

    def wait_until_watching(self, seconds=20):
        if not self._watching.wait(seconds):
            raise Failure("Redis cannot be watched")

    def forget(self):
        """What Redis holds is not what was written last."""
        with self._lock:
            self.seen.clear()

    def begin(self):
        """Another engine writes from now on."""
        with self._lock:
            self.written.clear()

    def problems(self):
        """Judged is what has been written up to here."""
        self._settle()
        shown = self.faults[:_SHOWN]
        more = [f"    … and {len(self.faults) - _SHOWN} more"] if len(self.faults) > _SHOWN else []
        count = [f"Redis, window_end went back: {len(self.faults)}"] if self.faults else []
        return count + shown + more

    # The thread

    def _run(self):
        while not self._stopped.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.server.port), 2) as connection:
                    self._read(connection)
            except OSError:
                pass
            self._watching.clear()
            self._stopped.wait(0.02)

    def _read(self, connection):
        connection.sendall(b"MONITOR\r\n")
        connection.settimeout(0.1)
        rest = b""
        while not self._stopped.is_set():
            try:
                data = connection.recv(1 << 20)
            except TimeoutError:
                continue
            if not data:
                return
            lines = (rest + data).split(b"\r\n")
            rest = lines.pop()
            for line in lines:
                if line == b"+OK":
                    self._watching.set()
                else:
                    self._command(line)

    def _command(self, line):
        found = _COMMAND.match(line)
        words = _WORD.findall(found[1]) if found else []
        if len(words) < 4 or words[0].upper() != b"HSET":
            self._marker(words)
            return
        with self._lock:
            self.writes += 1
            self.written.add(codecs.escape_decode(words[1])[0])
            for name, value in zip(words[2::2], words[3::2]):
                if name.endswith(b".window_end"):
                    self._see(words[1], name, int(value))

    def _see(self, key, name, end):
        before = self.seen.get((key, name), end)
        if end < before:
            self.faults.append(f"    {key.decode()} {name.decode()}: {before}, then {end}")
        self.seen[key, name] = max(end, before)

    # Whether all has been read that was written

    def _marker(self, words):
        if len(words) == 2 and words[0].upper() == b"ECHO":
            self._echo = words[1]

    _echo = None

    def _settle(self, seconds=20):
        """Sends a command of its own and waits until it is seen."""
        text = f"watch-{time.monotonic_ns()}"
        deadline = time.monotonic() + seconds
        while self._echo != text.encode():
            if time.monotonic() > deadline:
                raise Failure("Redis cannot be watched to the end")
            self.server.client().echo(text)
            time.sleep(0.02)
