"""The provenance of a record: code, versions, data, machine and time."""

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

    code: see benchmark.records.code_version. data: digest by file. device: "cpu" or "cuda". threads: of one training
    process. seeds_together: the seeds that train together.
    In the result, commit and clean are None outside a git checkout of the project.
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


@functools.cache  # the running code is the loaded code, even if files are edited later
def checkout(project: Path) -> tuple[str | None, bool | None]:
    """The commit that is checked out in the folder `project`, and whether its tree is clean; (None, None) without one.

    Records do not count as changes, because a run may follow another run whose records are not committed yet.
    """
    if not (project / ".git").exists():  # the folder may lie inside the checkout of another project
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
    """The versions of Python, this suite and each library that affects the numbers; None if it is not installed."""
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
    """The name of the processor on which a run computes, or the best description that the system gives."""
    if device == "cuda":
        import torch  # here, because reading records does not need it

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
