"""Where a record comes from: code, versions, data, machine and time."""

import functools
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmark import __version__

PROJECT = Path(__file__).resolve().parents[2]
LIBRARIES = ("torch", "torchvision", "avalanche-lib", "numpy")


def gather(
    code: str, data: Mapping[str, str], device: str, threads: int, seeds_together: Sequence[int]
) -> dict[str, object]:
    """The provenance of a run that starts now, ready for a record.

    code: version of the results and digest of the method's source; data: digest by file; device: as the run
    names it ("cpu", "cuda"); threads: of one training process; seeds_together: those trained in one batch.
    commit and clean are None outside a git checkout of the project.
    """
    commit, clean = checkout(PROJECT)
    return {
        "commit": commit,
        "clean": clean,
        "code": code,
        "versions": versions(),
        "device": device,
        "threads": threads,
        "processor": processor(device),
        "data": dict(data),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seeds_together": list(seeds_together),
    }


@functools.cache  # the code that runs is the one that was loaded, whatever happens to the files later
def checkout(project: Path) -> tuple[str | None, bool | None]:
    """The commit checked out in the folder `project` and whether its tree is clean; (None, None) if none is.

    Records do not count as changes: a run may follow another whose records are not committed yet.
    """
    if not (project / ".git").exists():  # a folder inside somebody else's checkout is not the project's
        return None, None
    commit = _git(project, "rev-parse", "--verify", "HEAD")
    changes = _git(project, "status", "--porcelain", "--", ".", ":(exclude)results")
    if commit is None or changes is None:
        return None, None
    return commit, not changes


def _git(project: Path, *arguments: str) -> str | None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "--no-optional-locks", "-C", str(project), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def versions() -> dict[str, str | None]:
    """Of Python, of each library that decides the numbers and of this suite; None for one not installed."""
    return {
        "python": platform.python_version(),
        **{name: _installed(name) for name in LIBRARIES},
        "benchmark": __version__,
    }


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def processor(device: str = "cpu") -> str:
    """The name of the processor that computes, as far as the system tells it."""
    if device == "cuda":
        import torch  # not needed to read records

        return torch.cuda.get_device_name()
    if sys.platform == "linux":
        try:
            lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown"
