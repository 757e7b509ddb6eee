"""Train units as tasks of a Ray cluster, or of a Ray on this machine. Ray itself is loaded when training starts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmark.runs.executors.node import needs
from methods.errors import InputError

if TYPE_CHECKING:
    from benchmark.runs.executors.base import Where
    from benchmark.runs.progress import Watch
    from benchmark.runs.unit import Unit


class Ray:
    """A running Ray cluster (address: 'auto' or HOST:PORT), or a temporary Ray on this machine."""

    id = "ray"
    library = "ray"
    extra = "ray"
    options = ("address",)
    remote = True

    def __init__(self, jobs: int | None, options: Mapping[str, str]) -> None:
        address = options.get("address") or os.environ.get("RAY_ADDRESS")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if address is None:  # Ray reads this variable on import; with 0, our own Ray listens on 127.0.0.1 only
            os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        elif not re.fullmatch(r"auto|[\w.-]+:\d+", address):
            raise InputError(f"--address: '{address}' is neither 'auto' nor HOST:PORT, for example 10.0.0.5:6379")
        self.jobs, self.address = jobs, address

    def manner(self, units: Sequence[Unit], where: Where) -> str:
        """See Executor."""
        need = " and ".join(f"{count} {kind}" for kind, count in needs(where).items())
        return f"each a Ray task with {need}"

    def run(self, units: Sequence[Unit], where: Where, show: Watch) -> None:
        """See Executor."""
        from benchmark.runs.executors.ray_driver import drive

        if where.data is not None:  # the current directory differs on a node
            where = replace(where, data=where.data.absolute())
        drive(units, where, show, self.jobs, self.address)
