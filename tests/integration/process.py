"""Child processes that never outlive the run: servers and engines that a test starts.

Every child is told by the kernel to die with its parent, so an interrupted or killed run leaves
nothing behind. A child is only ever signalled by the pid that was started here.
"""

import ctypes
import signal
import socket
import subprocess
import time

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    """A test failed, or something that it needs did: the message is for a person."""


def spawn(command, log_path, **options):
    """Start a child with its output going to a file."""
    with open(log_path, "ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=options.pop("stdout", log),
            stderr=log,
            preexec_fn=_die_with_parent,
            **options,
        )


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def stop(child, seconds=20):
    """SIGTERM, and SIGKILL to one that does not heed it. Returns the exit status."""
    if child is None:
        return None
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            kill(child)
    return child.returncode


def kill(child):
    if child is not None and child.poll() is None:
        child.kill()
        child.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds, what, every=0.05):
    """Poll until `condition()` is true and return its value; Failure says what never came true."""
    deadline = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise Failure(f"not within {seconds} s: {what}")
        time.sleep(every)


def tail(path, lines=15, start=0):
    """The end of a log, or of what stands behind its first `start` bytes, indented, for a failure
    message."""
    try:
        with open(path, encoding="utf-8", errors="replace") as log:
            log.seek(start)
            text = log.read()
    except FileNotFoundError:
        return "    (no log)"
    return "\n".join("    " + line for line in text.splitlines()[-lines:]) or "    (empty log)"
