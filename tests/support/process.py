"""Python and the command line in a process of their own, started in the project's folder."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def python(*arguments: str | Path, **more) -> subprocess.CompletedProcess:
    """Run Python with these arguments. Its output is text; `more` goes to subprocess.run."""
    given = {"cwd": ROOT, "capture_output": True, "text": True, "timeout": 240}
    if {"stdout", "stderr"} & more.keys():
        given["capture_output"] = False
    return subprocess.run([sys.executable, *arguments], **(given | more))


def typed(*arguments: str | Path, **more) -> subprocess.CompletedProcess:
    """Run `python -m benchmark` with these arguments, as `python` does."""
    return python("-m", "benchmark", *arguments, **more)


def environment(**changes: str | None) -> dict[str, str]:
    """The variables of this process with these changes; a variable that is None is not set."""
    return {name: value for name, value in (os.environ | changes).items() if value is not None}
