"""The places where a build with failpoints can be killed: src/base/failpoint.h has the table."""

import re

from harness import ROOT

TABLE = ROOT / "src/base/failpoint.h"
ENGINE = ROOT / "build/failpoints/freshet"


def names():
    """In the table's order; none if this tree has no such table."""
    text = TABLE.read_text() if TABLE.exists() else ""
    return re.findall(r'^ *X\(arg, "([a-z0-9_]+)"\)', text, re.MULTILINE)


def kill_at(name, times=1):
    """What an engine is started with to be killed when it passes there for the n-th time."""
    return {"FRESHET_FAILPOINT": f"{name}:{times}"}


def list_to(path):
    """What an engine is started with to say which it passes."""
    return {"FRESHET_FAILPOINT_LIST": str(path)}
