"""Executors: where units of work are trained, one a file, chosen by name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from methods.errors import InputError

if TYPE_CHECKING:
    from benchmark.runs.executors.base import Executor

EXECUTORS = ("local", "ray", "slurm")
LIBRARIES = {"ray": "ray", "slurm": "submitit"}


def check(name: str, address: str | None, parameters: Mapping[str, str]) -> None:
    """Raises InputError where the options do not fit the executor, or the library it needs is not installed."""
    if address is not None and name != "ray":
        raise InputError("--address is the address of a Ray cluster; add --executor ray")
    if parameters and name != "slurm":
        raise InputError("--slurm is for Slurm jobs; add --executor slurm")
    if name in LIBRARIES and find_spec(LIBRARIES[name]) is None:
        raise InputError(f"--executor {name} needs {LIBRARIES[name]}; install it: pip install 'clbench-table2[{name}]'")


def named(name: str, jobs: int | None, address: str | None, parameters: Mapping[str, str]) -> Executor:
    """The executor of that name; jobs: how many units it trains at a time at most. The options are checked."""
    if name == "local":
        from benchmark.runs.executors.local import Local

        return Local(jobs)
    if name == "slurm":
        from benchmark.runs.executors.slurm import Slurm

        return Slurm(jobs, parameters)
    address = address or os.environ.get("RAY_ADDRESS")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address is None:  # Ray reads this as it is imported; with 0 a Ray of our own listens on 127.0.0.1 alone
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    from benchmark.runs.executors.ray import Ray

    return Ray(jobs, address)
