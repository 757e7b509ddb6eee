"""The driver of a Ray cluster, which gives it units as tasks.

It, this process, alone claims runs and writes below the results directory; a node trains a unit in a
folder of its own and sends records, states and progress. So nodes share no file system, and when one is lost its
units go on elsewhere from the last state it sent.
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
"""So often a unit may be lost with its node or process: then it is perhaps the unit that ends them."""
AHEAD = 16
"""Units that wait in the cluster's queue: enough that no node is idle, and an autoscaler sees that work is left."""
LOST = (
    exceptions.NodeDiedError,
    exceptions.WorkerCrashedError,
    exceptions.OutOfMemoryError,
    exceptions.ObjectLostError,
    exceptions.LocalRayletDiedError,
)


def drive(units: Sequence[Unit], where: Where, show: Watch, jobs: int | None, address: str | None) -> None:
    """Train the units on the cluster at `address`, or on a Ray of our own.

    Raises InputError where the cluster fails.
    """
    need = needs(where)["CPU"]
    with connected(address, jobs * need if jobs else max(cores(), need), units):
        try:
            _Driver(units, where, show, jobs).run()
        except exceptions.RayError as error:
            raise InputError(
                f"the Ray cluster failed ({first_line(error)}); finished runs are recorded: give the same command again"
            ) from None


@dataclass(frozen=True)
class _Job:
    """A unit whose runs this process has claimed."""

    index: int
    unit: Unit
    claims: Claims


class _Driver:
    """Gives units to the cluster and writes what comes back."""

    def __init__(self, units: Sequence[Unit], where: Where, show: Watch, jobs: int | None) -> None:
        self.units, self.where, self.show, self.jobs = units, where, show, jobs
        self.aside = Aside(units, show)
        self.saved: set[tuple[int, int]] = set()  # units' indices and seeds
        self.losses: Counter[int] = Counter()
        self.running: dict[ray.ObjectRef, _Job] = {}
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self.mailbox = ray.remote(node.Mailbox).options(num_cpus=0, scheduling_strategy=here).remote()
        need = needs(where)
        # Ray's own retries would begin a unit anew; here it goes on from its last state.
        self.task = ray.remote(_train).options(num_cpus=need["CPU"], num_gpus=need.get("GPU", 0), max_retries=0)

    def run(self) -> None:
        """Until all runs are recorded."""
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
        """A task for what is left of a unit, or none where another process computes some of its runs."""
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
        """Claim the runs, or put the unit aside for later: what the other process records by then is new."""
        unit = job.unit
        runs = [store.path_of(self.where.results, unit.method, unit.stream, seed, unit.settings) for seed in seeds]
        if job.claims.take(runs):
            return True
        job.claims.close()
        self.aside.put(job.index, replace(unit, force=False))
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
        """Wait a moment for tasks that end; then take in what all have told, and only then what has ended."""
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
            # the node runs this checkout's code from a copy that has no commit
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
                f"{job.unit.title}: lost {LOSSES} times, at last because of: {first_line(error)}; perhaps it needs "
                "more memory than a node has; finished runs are recorded"
            )
        self.show(Notice(f"{job.unit.title}: lost with its node or process; it goes on elsewhere"))
        self._submit(job)

    def _end(self, job: _Job) -> None:
        recorded = {seed for index, seed in self.saved if index == job.index} | set(job.unit.seeds)
        for old in resume.of_recorded(self._state_path(job.unit), recorded):
            checkpoint.remove(old.path)
        job.claims.close()
        self.show(Advance(job.index, 1.0, 0, 1.0))


def _allow_many_files() -> None:
    """A claim is an open file, and a large cluster has many units at work."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # as where the system's own limit is lower
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _train(index: int, unit: Unit, where: Where, begun: dict[Path, bytes], mailbox: ray.ObjectRef) -> str | None:
    return node.train(index, unit, where, begun, lambda letters: ray.get(mailbox.put.remote(letters)))
