"""Recorded runs, trained again and compared with their records: one that is named, or some drawn at random."""

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
"""How far a run elsewhere may lie from its record, in standard deviations over the cell's other recorded seeds."""
LEAST = 0.005
"""How far at least, a fraction: four seeds may lie close together by chance."""
ENOUGH_SEEDS = 3
OTHERWISE = 0.05
"""How far where fewer than ENOUGH_SEEDS others are recorded; a fraction."""


def rerun(
    spec: str, stream: str, seed: int, overrides: Mapping[str, object], results: Path, data: Path | None
) -> tuple[bool, str]:
    """Train a recorded run again, beside the seeds and with the threads that its record names, and on its device if
    there is one like it.

    spec: the method, as benchmark.training.external names it.
    Returns whether it agrees with its record, and a line that says so and by which measure: equality of the whole
    accuracy matrix where processor, libraries, code and data are the record's and sums are taken in the same order,
    else DEVIATIONS for each metric.
    Raises InputError where there is no such record.
    """
    settings = settings_of(spec, stream, overrides)
    path = store.path_of(results, id_of(spec), stream, seed, settings)
    if not path.is_file():
        raise InputError(f"{path} is no record; make it with the same options: python -m benchmark run")
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
    reasons = _elsewhere(kept, made, unit.load_network())
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


def _elsewhere(kept: Record, made: Record, network: NetworkKind | None = None) -> list[str]:
    """Why the last bits of the run need not be its record's; network: of the run, where it is not the stream's own."""
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
        reasons.append("a GPU sums convolutions in another order each time")
    return reasons


def _exactly(name: str, kept: Record, made: Record) -> tuple[bool, str]:
    if (kept.status, kept.diverged, _measured(kept)) == (made.status, made.diverged, _measured(made)):
        return True, f"{name}: equal to its record, bit for bit"
    return False, f"{name}: {_beside(kept, made)}; equality is due: the same processor, libraries, code and data"


def _measured(record: Record) -> list[list[float | None]]:
    """The accuracies on the tasks trained: those on tasks to come are not part of a run."""
    return [row[: task + 1] for task, row in enumerate(record.accuracy_matrix)]


def _nearly(name: str, kept: Record, made: Record, tolerances: Mapping[str, float], reason: str) -> tuple[bool, str]:
    agrees = kept.status == made.status and all(
        kept.status == "diverged" or abs(getattr(made.metrics, metric) - getattr(kept.metrics, metric)) <= tolerance
        for metric, tolerance in tolerances.items()
    )
    allowed = ", ".join(f"{tolerance:.4f}" for tolerance in tolerances.values())
    return agrees, f"{name}: {_beside(kept, made)}; within {allowed} is due, not equality: {reason}"


def _beside(kept: Record, made: Record) -> str:
    return ", ".join(
        f"{metric.replace('_', ' ')} {_shown(made, metric)} (recorded {_shown(kept, metric)})" for metric in METRICS
    )


def _shown(record: Record, metric: str) -> str:
    value = getattr(record.metrics, metric)
    return "diverged" if value is None else f"{value:.4f}"


def _tolerances(folder: Path, kept: Record) -> dict[str, float]:
    """For each metric, from the complete runs of the same cell; not from the run itself, which may be wrong."""
    others = [
        record
        for record in map(store.load, sorted(folder.glob("*.json")))
        if record.settings == kept.settings and record.seed != kept.seed and record.status == "complete"
    ]
    if len(others) < ENOUGH_SEEDS:
        return dict.fromkeys(METRICS, OTHERWISE)
    spreads = {metric: statistics.stdev(getattr(record.metrics, metric) for record in others) for metric in METRICS}
    return {metric: max(DEVIATIONS * spread, LEAST) for metric, spread in spreads.items()}
