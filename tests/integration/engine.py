"""The engine under test: runs `freshet`, watches it and reads what it leaves behind."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from process import Failure, free_port, kill, spawn, tail, wait_until
from reference.values import Number

_EXIT_SECONDS = 30  # for a SIGTERM to be heeded, with everything flushed


class Engine:
    """One `freshet run`. Use as a context manager: on exit it is killed if it still runs. Runs of
    one pipeline file share a log; each shows its own part of it."""

    def __init__(self, program, pipeline_path, bounded=False, arguments=(), environment=None):
        self.program = program
        self.pipeline_path = Path(pipeline_path)
        self.log = self.pipeline_path.with_suffix(".log")
        self.log_start = self.log.stat().st_size if self.log.exists() else 0
        command = [program, "run", self.pipeline_path] + (["--bounded"] if bounded else [])
        self.started = time.monotonic()
        self.child = spawn(
            [str(part) for part in (*command, *arguments)],
            self.log,
            env={**os.environ, **(environment or {})},
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        kill(self.child)

    def wait(self, seconds):
        """The exit status; Failure if it has not ended by then."""
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            kill(self.child)
            raise Failure(f"freshet did not end within {seconds} s:\n{self.messages()}") from None

    def terminate(self, seconds=_EXIT_SECONDS):
        """SIGTERM; the exit status."""
        self.child.terminate()
        return self.wait(seconds)

    def kill(self):
        """SIGKILL, and nothing of it is left running."""
        kill(self.child)

    def freeze(self):
        self.child.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.child.send_signal(signal.SIGCONT)

    def expect_exit(self, wanted, seconds):
        status = self.wait(seconds)
        if status != wanted:
            raise Failure(f"freshet ended with {status}, not {wanted}:\n{self.messages()}")

    def expect_running(self):
        if self.child.poll() is not None:
            raise Failure(f"freshet ended with {self.child.returncode}:\n{self.messages()}")

    def messages(self, lines=40):
        """The end of what this run has said, for a person."""
        return tail(self.log, lines, self.log_start)

    def said(self):
        """All that this run has said."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            log.seek(self.log_start)
            return log.read()

    # Its admin pages

    def get(self, address, path, seconds=5):
        """(HTTP status, text) of an admin page; status 0 if nothing answers."""
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=seconds) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except (urllib.error.URLError, OSError):
            return 0, ""

    def wait_ready(self, address, seconds=30):
        def ready():
            self.expect_running()
            return self.get(address, "/ready")[0] == 200

        wait_until(ready, seconds, "/ready says 200")


def command(program, *arguments, seconds=30):
    """A command that ends by itself: (exit status, stdout, stderr)."""
    done = subprocess.run(
        [str(program), *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    return done.returncode, done.stdout, done.stderr


def admin_address():
    return f"127.0.0.1:{free_port()}"


def read_lines(path):
    """The lines of a file output. The last one must be whole, too."""
    data = Path(path).read_bytes() if Path(path).exists() else b""
    if data and not data.endswith(b"\n"):
        raise Failure(f"{path} ends in the middle of a line: …{data[-80:]!r}")
    return data.split(b"\n")[:-1]


_ROW = json.JSONDecoder(parse_int=Number, parse_float=Number)


def parse_row(line):
    """A row, its numbers as the text that stands there."""
    return _ROW.decode(line.decode())


def read_rows(path):
    """The rows of a file output; each line must be one JSON object."""
    rows = []
    for number, line in enumerate(read_lines(path), 1):
        try:
            rows.append(parse_row(line))
        except ValueError as error:
            raise Failure(f"{path}:{number}: not JSON ({error}): {line[:200]!r}") from None
    return rows
