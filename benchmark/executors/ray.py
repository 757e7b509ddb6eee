"""Units as tasks of a Ray cluster.

The driver, this process, alone claims runs and writes below the results directory; a node trains a unit in a
folder of its own and sends records, states and progress. So nodes share no file system, and when one is lost its
units go on elsewhere from the last state it sent.
"""

from __future__ import annotations

import hashlib
import os
import re
import resource
import shutil
import signal
import tempfile
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import ray
from ray import exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

import benchmark
import methods
from benchmark import plugins, provenance, records, state
from benchmark.catalogue import STREAMS
from benchmark.claims import Claims
from benchmark.data import load
from benchmark.executors import node
from benchmark.executors.aside import Aside
from benchmark.executors.executor import Show, Where
from benchmark.progress import Advance, Notice, Saved
from benchmark.runner import cores
from benchmark.unit import Unit
from benchmark.version import code_version
from methods.errors import InputError

LOSSES = 5
"""So often a unit may be lost with its node or process: then it is perhaps the unit that ends them."""
AHEAD = 16
"""Units that wait in the cluster's queue: enough that no node is idle, and an autoscaler sees that work is left."""
STORE = 128 * 2**20
"""Bytes of object store of a Ray of our own: only states pass through it, one at a time."""
LOST = (
    exceptions.NodeDiedError, exceptions.WorkerCrashedError, exceptions.OutOfMemoryError, exceptions.ObjectLostError,
    exceptions.LocalRayletDiedError,
)


class Ray:
    """A cluster that runs already (address: 'auto' or HOST:PORT), or a Ray on this machine for as long as it takes."""

    def __init__(self, jobs: int | None, address: str | None) -> None:
        if address is not None and not re.fullmatch(r"auto|[\w.-]+:\d+", address):
            raise InputError(f"--address: '{address}' is neither 'auto' nor HOST:PORT, for example 10.0.0.5:6379")
        self.jobs, self.address = jobs, address

    def manner(self, units: Sequence[Unit], where: Where) -> str:
        """See Executor."""
        need = " and ".join(f"{count} {kind}" for kind, count in needs(where).items())
        return f"each a Ray task with {need}"

    def run(self, units: Sequence[Unit], where: Where, show: Show) -> None:
        """See Executor."""
        if where.data is not None:  # a node has another current directory
            where = replace(where, data=Path(os.path.abspath(os.path.expanduser(where.data))))
        with _cluster(self.address, self.jobs or cores(), where, units):
            try:
                _Driver(units, where, show, self.jobs).run()
            except (exceptions.RaySystemError, exceptions.RayActorError, *LOST) as error:
                raise InputError(
                    f"the Ray cluster ended ({_first_line(error)}); finished runs are recorded: "
                    "give the same command again"
                ) from None


def needs(where: Where) -> dict[str, int]:
    """What a task takes of a node, by Ray's names."""
    return {"CPU": 1, "GPU": 1} if where.device == "cuda" else {"CPU": where.threads}


@contextmanager
def _cluster(address: str | None, jobs: int, where: Where, units: Sequence[Unit]) -> Iterator[None]:
    handler = signal.getsignal(signal.SIGTERM)
    own = {} if address else {
        "num_cpus": jobs * needs(where)["CPU"], "include_dashboard": False, "object_store_memory": STORE,
    }
    with tempfile.TemporaryDirectory(prefix="clbench-") as folder:
        _copy_code(Path(folder), units)
        try:
            ray.init(address or "local", runtime_env={"working_dir": folder}, log_to_driver=False,
                     logging_level="ERROR", **own)
            signal.signal(signal.SIGTERM, handler)  # Ray has put one of its own there
            yield
        except (ConnectionError, ValueError, RuntimeError, exceptions.RuntimeEnvSetupError) as error:
            told = f"--address: {address}" if address else "a local Ray"
            raise InputError(f"{told} cannot be used: {_first_line(error)}") from None
        except SystemExit:  # what Ray's handler does
            raise KeyboardInterrupt from None
        finally:
            ray.shutdown()


def _copy_code(folder: Path, units: Sequence[Unit]) -> None:
    """The source of the suite and of methods in files, to be sent to every node: its tasks' current directory.

    So all run the driver's code, whatever is installed there.
    """
    for package in (benchmark, methods):
        source = Path(package.__file__).parent
        shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    for spec in {unit.spec for unit in units if plugins.is_file(unit.spec)}:
        (folder / _sent(spec)).parent.mkdir(parents=True)
        shutil.copy(spec, folder / _sent(spec))


def _sent(spec: str) -> Path:
    """Where a method's file is on the nodes, from a task's current directory."""
    return Path("plugins", hashlib.sha256(spec.encode()).hexdigest()[:8], Path(spec).name)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:300]


@dataclass(frozen=True)
class _Job:
    """A unit whose runs this process has claimed."""

    index: int
    unit: Unit
    claims: Claims


class _Driver:
    """Gives units to the cluster and writes what comes back."""

    def __init__(self, units: Sequence[Unit], where: Where, show: Show, jobs: int | None) -> None:
        self.units, self.where, self.show, self.jobs = units, where, show, jobs
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
        aside, queue = Aside(self.units, self.show), deque()
        try:
            while aside or queue or self.running:
                queue += aside.due(waiting=not (queue or self.running))
                while queue and len(self.running) < self._room():
                    aside.put(queue[0][0], self._begin(*queue.popleft()))
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

    def _begin(self, index: int, unit: Unit) -> Unit | None:
        """Give the unit to the cluster; returns it where another process computes some of its runs."""
        claims = Claims(self.where.results)
        if not claims.take(map(self._place(unit), unit.seeds)) or not self._submit(_Job(index, unit, claims)):
            claims.close()
            return replace(unit, force=False)  # what the other process recorded by then is new
        return None

    def _place(self, unit: Unit):
        return lambda seed: records.path_of(self.where.results, unit.method, unit.stream, seed, unit.settings)

    def _submit(self, job: _Job) -> bool:
        """A task for what is left of the unit; False where others have claimed the company that it was begun in."""
        left = tuple(seed for seed in job.unit.seeds if not self._recorded(job, seed))
        if not left:
            self._end(job)
            return True
        begun = state.find(self._state_path(job.unit), left, {}, lambda line: self.show(Notice(line)))
        if not job.claims.take(map(self._place(job.unit), (seed for old in begun for seed in old.point.seeds))):
            return False
        files = {old.path.relative_to(self.where.results): old.path.read_bytes() for old in begun}
        spec = str(_sent(job.unit.spec)) if plugins.is_file(job.unit.spec) else job.unit.spec
        unit = replace(job.unit, seeds=left, spec=spec)
        self.running[self.task.remote(job.index, unit, self.where, files, self.mailbox)] = job
        return True

    def _recorded(self, job: _Job, seed: int) -> bool:
        unit, code = job.unit, code_version(job.unit.load())
        data = load(STREAMS[unit.stream].dataset, self.where.data).digests
        return (job.index, seed) in self.saved or not unit.force and records.recorded(
            self.where.results, unit.method, unit.stream, seed, unit.settings, code, data
        )

    def _state_path(self, unit: Unit) -> Path:
        return state.path_of(self.where.results, unit.method, unit.stream, unit.seeds, unit.settings)

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

    def _take_in(self, index: int, letter: Advance | Notice | Saved | node.Kept) -> None:
        if isinstance(letter, node.Kept):
            state.put(self.where.results / letter.path, letter.content)
        elif not isinstance(letter, Saved):
            self.show(letter)
        elif (index, letter.record.seed) not in self.saved:
            # the node runs this checkout's code from a copy that has no commit
            commit, clean = provenance.checkout(provenance.PROJECT)
            origin = letter.record.provenance.model_copy(update={"commit": commit, "clean": clean})
            records.save(self.where.results, letter.record.model_copy(update={"provenance": origin}))
            self.saved.add((index, letter.record.seed))
            self.show(letter)

    def _close(self, task: ray.ObjectRef, job: _Job) -> None:
        try:
            wrong = ray.get(task)
        except LOST as error:
            self._again(job, error)
            return
        except exceptions.RayTaskError as error:
            wrong = f"{job.unit.title} failed at {error.ip}: {type(error.cause).__name__}: {_first_line(error.cause)}"
        if wrong:
            job.claims.close()
            raise InputError(wrong)
        self._end(job)

    def _again(self, job: _Job, error: Exception) -> None:
        self.losses[job.index] += 1
        if self.losses[job.index] == LOSSES:
            raise InputError(
                f"{job.unit.title}: lost {LOSSES} times, at last because of: {_first_line(error)}; perhaps it needs "
                "more memory than a node has; finished runs are recorded"
            )
        self.show(Notice(f"{job.unit.title}: lost with its node or process; it goes on elsewhere"))
        self._submit(job)

    def _end(self, job: _Job) -> None:
        recorded = {seed for index, seed in self.saved if index == job.index} | set(job.unit.seeds)
        for old in state.of_recorded(self._state_path(job.unit), recorded):
            state.remove(old.path)
        job.claims.close()
        self.show(Advance(job.index, 1.0, 0, 1.0))


def _allow_many_files() -> None:
    """A claim is an open file, and a large cluster has many units at work."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _train(index: int, unit: Unit, where: Where, begun: dict[Path, bytes], mailbox: ray.ObjectRef) -> str | None:
    return node.train(index, unit, where, begun, lambda letters: ray.get(mailbox.put.remote(letters)))
