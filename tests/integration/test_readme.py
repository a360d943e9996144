"""The tour of the README does what it says."""

import re
import subprocess

from engine import command
from events import HOUR, Traffic, traffic
from harness import ROOT, dump, load, require, test


def _blocks(language):
    text = (ROOT / "README.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def _tour():
    (text,) = _blocks("yaml")
    return text


@test("readme/mistake")
def mistake(lab):
    """The message of the README is the one that freshet gives."""
    (shown,) = re.findall(r"^(wrong\.yaml:.*)$", "\n".join(_blocks("console")), re.MULTILINE)
    folder = lab.folder / "tour"
    folder.mkdir(parents=True)
    path = folder / "wrong.yaml"
    path.write_text(_tour().replace("sliding: 1h", "slidign: 1h"))
    status, _, err = command(lab.program, "check", path)
    require(status == 78, f"exit status {status}")
    require(err.strip().replace(str(path), "wrong.yaml") == shown, f"it says: {err}")


@test("readme/tour")
def tour(lab):
    """The pipeline file runs, and `freshet get` shows the fields that the README shows."""
    document = load(_tour())
    document["outputs"] = {}
    text = lab.pipeline(dump(document))
    records = traffic(text, Traffic(records=20_000, seed=lab.seed, users=20, span_ms=3 * HOUR))
    lab.fill(text, records)
    job = lab.job(text)
    lab.run_bounded(job)
    (shown,) = [block for block in _blocks("console") if "freshet get" in block]
    wanted = set(re.findall(r"^  (\S+)  +\S+$", shown, re.MULTILINE))
    require(len(wanted) >= 5, f"the README shows {wanted}")
    found = set()
    users = [key.rpartition(":")[2] for key in job.redis.hashes()]
    for user in filter(re.compile(r"\w+").fullmatch, users):
        status, out, err = command(lab.program, "get", job.path, user)
        require(status == 0, f"get: {err}")
        found |= set(re.findall(r"^  (\S+)  +\S+$", out, re.MULTILINE))
    require(wanted <= found, f"get never shows {wanted - found}")


@test("readme/checkpoints")
def checkpoints(lab):
    """The change of the README keeps what the README says it keeps."""
    text = lab.pipeline(_tour())
    records = traffic(text, Traffic(records=2000, seed=lab.seed, users=20, span_ms=3 * HOUR))
    lab.fill(text, records)
    job = lab.job(text)
    lab.run_bounded(job)
    (block,) = [block for block in _blocks("console") if "checkpoint save" in block]
    (change,) = re.findall(r"^\$ sed '(.*)' pipeline.yaml", block, re.MULTILINE)
    (shown,) = re.findall(r"^\$ freshet check .*\n((?:\w+\..*\n)+)", block, re.MULTILINE)
    changed = subprocess.run(["sed", change], input=_tour(), capture_output=True, text=True)
    document = load(job.text)
    document["views"] = load(changed.stdout)["views"]
    job.path.write_text(dump(document))
    status, out, err = command(lab.program, "check", job.path, "--against", document["state"]["dir"])
    require(status == 0, f"check --against: {err}")
    require(out.startswith(shown), f"the README shows:\n{shown}check says:\n{out}")
