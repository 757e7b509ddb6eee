"""Train recorded runs again, one by name or some drawn at random, and compare them with their records."""

from __future__ import annotations

import random
import statistics
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from benchmark.networks.external import network_named
from benchmark.networks.registry import NETWORKS, NetworkKind
from benchmark.records import provenance, store
from benchmark.records.schema import Record
from benchmark.runs import work
from benchmark.runs.progress import Display, say_notices
from benchmark.runs.unit import Unit
from benchmark.streams.kinds import STREAMS
from benchmark.studies.checks.cells import METRICS
from benchmark.training.external import id_of, settings_of
from methods.catalogue import METHOD_ROWS
from methods.errors import InputError

DEVIATIONS = 3.0
"""Tolerance of a run under other conditions, in standard deviations over the cell's other recorded seeds."""
LEAST = 0.005
"""The least tolerance, a fraction: four seeds may lie close together by chance."""
ENOUGH_SEEDS = 3
"""Other recorded seeds that are needed to estimate a standard deviation."""
OTHERWISE = 0.05
"""The tolerance with fewer than ENOUGH_SEEDS other seeds, a fraction."""


def rerun(
    spec: str, stream: str, seed: int, overrides: Mapping[str, object], results: Path, data: Path | None
) -> tuple[bool, str]:
    """Train a recorded run again, with the seeds and the threads that its record names.

    It runs on the record's kind of device if this machine has one.
    spec: the method, as benchmark.training.external names it.

    Returns whether the run agrees with its record, and a line for people. If processor, libraries, code and data are
    those of the record and sums keep their order, the whole accuracy matrix must be equal. Otherwise each metric must
    lie within its tolerance, see DEVIATIONS.
    Raises InputError if there is no such record.
    """
    settings = settings_of(spec, stream, overrides)
    path = store.path_of(results, id_of(spec), stream, seed, settings)
    if not path.is_file():
        raise InputError(f"there is no record {path}; make it with the same options: python -m benchmark run")
    network = str(overrides.get("network", "")) if settings.network else ""
    return _again(store.load_placed(path, results), spec, network, results, data)


def sample(results: Path, count: int, draw: int, data: Path | None) -> Iterator[tuple[bool, str]]:
    """Train `count` recorded runs of built-in methods, streams and networks again, drawn at random; all if fewer.

    draw: the seed of the draw: the same records are drawn from the same directory. Gives what `rerun` returns, run by
    run. Raises InputError where there are no such records, or one record is not sound.
    """
    known = [
        record
        for record in store.load_all(results)
        if record.method in METHOD_ROWS
        and record.stream in STREAMS
        and record.settings.get("network", "") in ("", *NETWORKS)
    ]
    if not known:
        raise InputError(f"--results: {results} holds no records of built-in methods on the suite's streams")
    drawn = random.Random(draw).sample(range(len(known)), min(count, len(known)))
    for kept in (known[place] for place in sorted(drawn)):
        yield _again(kept, kept.method, str(kept.settings.get("network", "")), results, data)


def _again(kept: Record, spec: str, network: str, results: Path, data: Path | None) -> tuple[bool, str]:
    origin, (method, stream, seed) = kept.provenance, (kept.method, kept.stream, kept.seed)
    seeds = tuple(origin.seeds_together) if seed in origin.seeds_together else (seed,)
    unit = Unit(method, stream, seeds, kept.settings, cost=1.0, spec=spec, network=network)
    with tempfile.TemporaryDirectory(prefix="clbench-check-") as folder:
        device = work.device_named("auto" if origin.device == "cuda" else "cpu")
        _train(unit, Path(folder), data, device, origin.threads)
        made = store.load(store.path_of(Path(folder), method, stream, seed, unit.settings))
    name = f"{method} on {stream}, seed {seed}"
    reasons = _inexact(kept, made, unit.load_network())
    if not reasons:
        return _exactly(name, kept, made)
    beside = store.path_of(results, method, stream, seed, kept.settings).parent
    return _nearly(name, kept, made, _tolerances(beside, kept), " and ".join(reasons))


def _train(unit: Unit, folder: Path, data: Path | None, device: str, threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        phases = len(unit.load().phases(unit.settings.tasks))
        with Display([unit.title], [phases], [unit.cost], say_notices) as display:
            work.work(0, unit, folder, data, device, display.show)
    finally:
        torch.set_num_threads(before)


def _inexact(kept: Record, made: Record, network: NetworkKind | None = None) -> list[str]:
    """The reasons why the last bits may differ from the record.

    network: the run's network; None for the stream's own.
    """
    old, new = kept.provenance, made.provenance
    names = [name for name in provenance.LIBRARIES if old.versions.get(name) != new.versions.get(name)]
    pairs = [
        (field, getattr(old, field) != getattr(new, field))
        for field in ("device", "processor", "code", "data", "threads", "seeds_together")
    ]
    reasons = [f"another {field.replace('_', ' ')}" for field, other in pairs if other]
    if names:
        reasons.append(f"another version of {', '.join(names)}")
    if new.device == "cuda" and not (network or network_named(STREAMS[made.stream].network)).exact_on_gpu:
        reasons.append("a GPU sums convolutions in a different order each time")
    return reasons


def _exactly(name: str, kept: Record, made: Record) -> tuple[bool, str]:
    if (kept.status, kept.diverged, _measured(kept)) == (made.status, made.diverged, _measured(made)):
        return True, f"{name}: equal to its record, bit for bit"
    return False, f"{name}: {_compared(kept, made)}; they must be equal: same processor, libraries, code and data"


def _measured(record: Record) -> list[list[float | None]]:
    """The accuracies on the tasks trained so far. Accuracies on future tasks are not part of a run."""
    return [row[: task + 1] for task, row in enumerate(record.accuracy_matrix)]


def _nearly(name: str, kept: Record, made: Record, tolerances: Mapping[str, float], reason: str) -> tuple[bool, str]:
    agrees = kept.status == made.status and all(
        kept.status == "diverged" or abs(getattr(made.metrics, metric) - getattr(kept.metrics, metric)) <= tolerance
        for metric, tolerance in tolerances.items()
    )
    allowed = ", ".join(f"{tolerance:.4f}" for tolerance in tolerances.values())
    return agrees, f"{name}: {_compared(kept, made)}; allowed differences {allowed}, not equality: {reason}"


def _compared(kept: Record, made: Record) -> str:
    return ", ".join(
        f"{metric.replace('_', ' ')} {_shown(made, metric)} (recorded {_shown(kept, metric)})" for metric in METRICS
    )


def _shown(record: Record, metric: str) -> str:
    value = getattr(record.metrics, metric)
    return "diverged" if value is None else f"{value:.4f}"


def _tolerances(folder: Path, kept: Record) -> dict[str, float]:
    """The tolerance of each metric, from the cell's other complete runs. The run itself may be wrong: leave it out."""
    others = [
        record
        for record in map(store.load, sorted(folder.glob("*.json")))
        if record.settings == kept.settings and record.seed != kept.seed and record.status == "complete"
    ]
    if len(others) < ENOUGH_SEEDS:
        return dict.fromkeys(METRICS, OTHERWISE)
    spreads = {metric: statistics.stdev(getattr(record.metrics, metric) for record in others) for metric in METRICS}
    return {metric: max(DEVIATIONS * spread, LEAST) for metric, spread in spreads.items()}
