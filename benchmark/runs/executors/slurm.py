"""Train units as jobs of a Slurm job array, with submitit.

The jobs themselves claim runs and write records and checkpoints below the results directory. All nodes must share
this directory, the data and the Python environment. benchmark/runs/claims.py lists the file systems that support
claims.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import submitit
from submitit.helpers import Checkpointable

from benchmark.runs.executors.base import Where
from benchmark.runs.progress import Advance, Event, Watch, say
from benchmark.runs.unit import Unit
from methods.errors import InputError

CLUSTER = "slurm"
"""The cluster type of submitit. Tests use "local" instead."""
FOLDER = ".slurm"
ARRAY = 1000
"""The largest number of jobs in an array: Slurm's default limit (MaxArraySize 1001)."""
ASK_EVERY = 1.0
"""Seconds between two polls of the jobs. submitit itself asks Slurm less often."""


@dataclass(frozen=True)
class Said:
    """The result of a job: its events and, if it failed because of wrong input, one line."""

    events: list[Event]
    wrong: str | None = None


class Slurm:
    """A Slurm cluster.

    parameters: those of sbatch by submitit's names (partition, time in minutes, mem, gpus_per_node, ...).
    """

    id = "slurm"
    library = "submitit"
    extra = "slurm"
    options = None
    remote = True

    def __init__(self, jobs: int | None, parameters: Mapping[str, str]) -> None:
        if "time" not in parameters:
            raise InputError("--slurm: give the time limit of a job in minutes, for example --slurm time=240")
        self.parameters: dict[str, object] = {
            name: int(value) if value.isdecimal() else value for name, value in parameters.items()
        }
        if not isinstance(self.parameters["time"], int):
            raise InputError(f"--slurm: time must be a number of minutes, not '{parameters['time']}'")
        if jobs:
            self.parameters.setdefault("array_parallelism", jobs)

    def manner(self, units: Sequence[Unit], where: Where) -> str:
        """See Executor."""
        return f"as {len(units)} Slurm jobs"

    def run(self, units: Sequence[Unit], where: Where, show: Watch) -> None:
        """See Executor."""
        jobs: dict[int, submitit.Job] = {}
        try:
            for number, job in enumerate(self._submitted(units, where)):
                jobs[number] = job
            while jobs:
                for number, job in list(jobs.items()):
                    if job.done():
                        del jobs[number]
                        _tell(number, units[number], job, show)
                time.sleep(ASK_EVERY if jobs else 0)
        finally:
            for job in jobs.values():
                with suppress(Exception):  # an error with one job must not keep the others from being cancelled
                    job.cancel(check=False)

    def _submitted(self, units: Sequence[Unit], where: Where) -> Iterator[submitit.Job]:
        executor = self._executor(where)
        for first in range(0, len(units), ARRAY):
            part = units[first : first + ARRAY]
            try:
                yield from executor.map_array(Work(), part, [where] * len(part))
            except (OSError, RuntimeError, submitit.core.utils.FailedJobError) as error:
                raise InputError(f"--slurm: the jobs could not be submitted: {_line(error)}") from None

    def _executor(self, where: Where) -> submitit.AutoExecutor:
        resources: dict[str, object] = {} if where.device == "cuda" else {"cpus_per_task": where.threads}
        if where.device == "cuda" and not any("gpu" in name or name == "gres" for name in self.parameters):
            resources["gpus_per_node"] = 1
        parameters = {"job_name": "clbench"} | resources | self.parameters
        try:
            executor = submitit.AutoExecutor(where.results.absolute() / FOLDER, CLUSTER)
            executor.update_parameters(**{f"slurm_{name}": value for name, value in parameters.items()})
        except (NameError, ValueError, TypeError, AssertionError, RuntimeError) as error:
            raise InputError(f"--slurm: {_line(error)}") from None
        return executor


class Work(Checkpointable):
    """Trains a unit in a job. At its time limit, Slurm queues the job again, and it continues from its checkpoint."""

    def __call__(self, unit: Unit, where: Where) -> Said:
        """Train and record the unit. Events are also printed to the job's log."""
        from benchmark.runs.executors.local import one_by_one
        from benchmark.runs.work import device_named

        events: list[Event] = []

        def show(event: Event) -> None:
            say(event)
            if not isinstance(event, Advance):
                events.append(event)

        try:
            device_named(where.device)
            one_by_one([unit], where, show)
        except InputError as error:
            return Said(events, f"node {socket.gethostname()}: {error}")
        return Said(events)


def _tell(number: int, unit: Unit, job: submitit.Job, show: Watch) -> None:
    error = job.exception()
    if error is not None:
        raise InputError(
            f"{unit.title}: its Slurm job {job.job_id} failed ({_line(error)}); see {job.paths.stderr}; finished "
            "runs are recorded"
        )
    said = job.result()
    for event in said.events:
        show(event)
    if said.wrong:
        raise InputError(said.wrong)
    show(Advance(number, 1.0, 0, 1.0))


def _line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" -\t")]
    return (lines or [type(error).__name__])[0][:300]
