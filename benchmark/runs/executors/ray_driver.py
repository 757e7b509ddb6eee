"""The driver of a Ray cluster: it submits units as tasks and writes their results.

Only the driver claims runs and writes below the results directory. A node trains a unit in a temporary folder and
sends records, checkpoints and progress. Nodes therefore need no shared file system. If a node is lost, its units
continue on other nodes from the last checkpoint that it sent.
"""

from __future__ import annotations

import resource
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import ray
from ray import exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from benchmark.records import checkpoint, provenance, store
from benchmark.runs import resume
from benchmark.runs.claims import Claims
from benchmark.runs.executors import node
from benchmark.runs.executors.aside import Aside
from benchmark.runs.executors.base import Where
from benchmark.runs.executors.node import needs
from benchmark.runs.executors.ray_cluster import connected, first_line, for_node
from benchmark.runs.keep import keep
from benchmark.runs.progress import Advance, Evaluated, Event, Notice, Saved, Watch
from benchmark.runs.unit import Unit
from benchmark.runs.work import cores
from benchmark.streams.build import build
from benchmark.streams.datasets import load
from benchmark.streams.kinds import STREAMS
from benchmark.streams.names import arguments_of
from benchmark.training.probes import descriptions
from methods.errors import InputError

LOSSES = 5
"""Give up after a unit was lost with its node or process this many times: the unit itself is probably the cause."""
AHEAD = 16
"""Units to keep in the cluster's queue, so that no node is idle and an autoscaler sees the remaining work."""
LOST = (
    exceptions.NodeDiedError,
    exceptions.WorkerCrashedError,
    exceptions.OutOfMemoryError,
    exceptions.ObjectLostError,
    exceptions.LocalRayletDiedError,
)


def drive(units: Sequence[Unit], where: Where, show: Watch, jobs: int | None, address: str | None) -> None:
    """Train the units on the cluster at `address`, or on a temporary Ray on this machine if it is None.

    Raises InputError if the cluster fails.
    """
    need = needs(where)["CPU"]
    with connected(address, jobs * need if jobs else max(cores(), need), units):
        try:
            _Driver(units, where, show, jobs).run()
        except exceptions.RayError as error:
            raise InputError(
                f"the Ray cluster failed ({first_line(error)}); finished runs are recorded; repeat the same command"
            ) from None


@dataclass(frozen=True)
class _Job:
    """A unit whose runs this process has claimed."""

    index: int
    unit: Unit
    claims: Claims


class _Driver:
    """Submits units to the cluster and writes what they send."""

    def __init__(self, units: Sequence[Unit], where: Where, show: Watch, jobs: int | None) -> None:
        self.units, self.where, self.show, self.jobs = units, where, show, jobs
        self.aside = Aside(units, show)
        self.saved: set[tuple[int, int]] = set()  # (index of the unit, seed)
        self.losses: Counter[int] = Counter()
        self.running: dict[ray.ObjectRef, _Job] = {}
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self.mailbox = ray.remote(node.Mailbox).options(num_cpus=0, scheduling_strategy=here).remote()
        need = needs(where)
        # Ray's own retries would restart a unit from its beginning; the driver continues from the last checkpoint.
        self.task = ray.remote(_train).options(num_cpus=need["CPU"], num_gpus=need.get("GPU", 0), max_retries=0)

    def run(self) -> None:
        """Run until all runs are recorded."""
        _allow_many_files()
        self._tell_what_is_missing()
        queue = deque()
        try:
            while self.aside or queue or self.running:
                queue += self.aside.due(waiting=not (queue or self.running))
                room = self._room()
                while queue and len(self.running) < room:
                    self._submit(_Job(*queue.popleft(), Claims(self.where.results)))
                self._hear()
        finally:
            for job in self.running.values():
                job.claims.close()

    def _room(self) -> int:
        if self.jobs:
            return self.jobs
        total = ray.cluster_resources()
        return AHEAD + min(int(total.get(kind, 0) // count) for kind, count in needs(self.where).items())

    def _tell_what_is_missing(self) -> None:
        for kind, count in needs(self.where).items():
            if not any(host["Alive"] and host["Resources"].get(kind, 0) >= count for host in ray.nodes()):
                self.show(Notice(f"no node of the cluster has {count} {kind} now; waiting for one"))

    def _submit(self, job: _Job) -> None:
        """Submit a task for the remaining runs of a unit. Puts the unit aside if another process computes some."""
        if not self._claimed(job, job.unit.seeds):
            return
        left = tuple(seed for seed in job.unit.seeds if not self._recorded(job, seed))
        if not left:
            self._end(job)
            return
        begun = resume.find(self._state_path(job.unit), left, {}, lambda line: self.show(Notice(line)))
        if not self._claimed(job, [seed for old in begun for seed in old.point.seeds]):
            return
        files = {old.path.relative_to(self.where.results): old.path.read_bytes() for old in begun}
        unit = for_node(job.unit, left)
        self.running[self.task.remote(job.index, unit, self.where, files, self.mailbox)] = job

    def _claimed(self, job: _Job, seeds: Sequence[int]) -> bool:
        """Claim the runs and return True. If another process computes some, put the unit aside and return False."""
        unit = job.unit
        runs = [store.path_of(self.where.results, unit.method, unit.stream, seed, unit.settings) for seed in seeds]
        if job.claims.take(runs):
            return True
        job.claims.close()
        self.aside.put(job.index, replace(unit, force=False))  # records of the other process are new
        return False

    def _recorded(self, job: _Job, seed: int) -> bool:
        unit = job.unit
        cell = unit.method, unit.stream, seed, unit.settings, unit.code
        return (job.index, seed) in self.saved or (
            not unit.force
            and store.recorded(self.where.results, *cell, self._digests(unit, seed), descriptions(unit.measure))
        )

    def _digests(self, unit: Unit, seed: int) -> dict[str, str]:
        if unit.stream in STREAMS:
            return load(STREAMS[unit.stream].dataset, self.where.data).digests
        settings = unit.settings
        return build(
            unit.source, seed, settings.tasks, settings.train_examples, self.where.data, arguments_of(settings)
        ).digests

    def _state_path(self, unit: Unit) -> Path:
        return checkpoint.path_of(self.where.results, unit.method, unit.stream, unit.seeds, unit.settings)

    def _hear(self) -> None:
        """Wait briefly for tasks. Process all letters first: then the letters of tasks that have ended are complete."""
        running = list(self.running)
        if ray.wait(running, timeout=0.2)[0]:
            done, _ = ray.wait(running, num_returns=len(running), timeout=0)
        else:
            done = []
        for index, letter in ray.get(self.mailbox.take.remote()):
            self._take_in(index, letter)
        for task in done:
            self._close(task, self.running.pop(task))

    def _take_in(self, index: int, letter: Event | node.Kept) -> None:
        if isinstance(letter, node.Kept):
            checkpoint.put(self.where.results / letter.path, letter.content)
        elif isinstance(letter, Evaluated):
            self.show(replace(letter, place=self.where.results / letter.place))
        elif not isinstance(letter, Saved):
            self.show(letter)
        elif (index, letter.record.seed) not in self.saved:
            # The node runs a copy of this checkout's code; the copy has no commit.
            commit, clean = provenance.checkout(provenance.PROJECT)
            origin = letter.record.provenance.model_copy(update={"commit": commit, "clean": clean})
            record = letter.record.model_copy(update={"provenance": origin})
            self.saved.add((index, record.seed))
            keep(self.where.results, record, self.units[index].force, self.show)

    def _close(self, task: ray.ObjectRef, job: _Job) -> None:
        try:
            wrong = ray.get(task)
        except LOST as error:
            self._again(job, error)
            return
        except exceptions.RayTaskError as error:
            wrong = f"{job.unit.title} failed at {error.ip}: {type(error.cause).__name__}: {first_line(error.cause)}"
        if wrong:
            job.claims.close()
            raise InputError(wrong)
        self._end(job)

    def _again(self, job: _Job, error: Exception) -> None:
        self.losses[job.index] += 1
        if self.losses[job.index] == LOSSES:
            raise InputError(
                f"{job.unit.title}: lost {LOSSES} times, most recently because of: {first_line(error)}; it may need "
                "more memory than a node has; finished runs are recorded"
            )
        self.show(Notice(f"{job.unit.title}: lost with its node or process; it continues on another one"))
        self._submit(job)

    def _end(self, job: _Job) -> None:
        recorded = {seed for index, seed in self.saved if index == job.index} | set(job.unit.seeds)
        for old in resume.of_recorded(self._state_path(job.unit), recorded):
            checkpoint.remove(old.path)
        job.claims.close()
        self.show(Advance(job.index, 1.0, 0, 1.0))


def _allow_many_files() -> None:
    """Raise the limit of open files: every claim is an open file, and a large cluster runs many units."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # the system's own limit may be lower
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _train(index: int, unit: Unit, where: Where, begun: dict[Path, bytes], mailbox: ray.ObjectRef) -> str | None:
    return node.train(index, unit, where, begun, lambda letters: ray.get(mailbox.put.remote(letters)))
