"""Units as tasks of a Ray cluster, or of a Ray on this machine. Ray itself is loaded when they are trained."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from methods.errors import InputError

if TYPE_CHECKING:
    from benchmark.runs.executors.base import Where
    from benchmark.runs.progress import Watch
    from benchmark.runs.unit import Unit


class Ray:
    """A cluster that runs already (address: 'auto' or HOST:PORT), or a Ray on this machine for as long as it takes."""

    id = "ray"
    library = "ray"
    extra = "ray"
    options = ("address",)
    remote = True

    def __init__(self, jobs: int | None, options: Mapping[str, str]) -> None:
        address = options.get("address") or os.environ.get("RAY_ADDRESS")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if address is None:  # Ray reads this as it is imported; with 0 a Ray of our own listens on 127.0.0.1 alone
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

        if where.data is not None:  # a node has another current directory
            where = replace(where, data=where.data.absolute())
        drive(units, where, show, self.jobs, self.address)


def needs(where: Where) -> dict[str, int]:
    """What a task takes of a node, by Ray's names."""
    return {"CPU": 1, "GPU": 1} if where.device == "cuda" else {"CPU": where.threads}
