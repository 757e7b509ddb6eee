"""The reference values of the check's cells, and the tolerance bands around them.

A band's width follows from the spread of the metric over seeds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmark.common import files
from benchmark.records import provenance
from benchmark.records.schema import Text
from benchmark.studies.checks.cells import METRICS, Cell, Measured, Probe
from methods.errors import InputError

FILE = "reference.json"
BLOCKS = 3
"""The spread is the standard deviation over this many blocks of seeds. The check itself trains the first block."""
WIDTH = 0.5
"""Half the width of a band, in standard errors of the mean over the check's seeds. docs/checks.md gives the reason."""
LEAST = 0.001
"""The least half width of a band, a fraction: one or two test images a seed, for cells whose seeds hardly differ."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Level(_Part):
    """A metric of a cell, as a fraction.

    mean: over the check's seeds; spread: sample standard deviation over BLOCKS times as many seeds.
    """

    mean: float
    spread: Annotated[float, Field(ge=0)]


class StreamLevels(_Part):
    """The levels of one probe's cells, with the settings and the number of seeds that they hold for."""

    changes: dict[str, float]
    seeds: Annotated[int, Field(ge=1)]
    methods: dict[str, dict[str, Level]]


class Reference(_Part):
    """The levels by stream, method and metric, and the processor and versions of the last measurement."""

    processor: Text
    versions: dict[str, str | None]
    streams: dict[str, StreamLevels]


@dataclass(frozen=True)
class Comparison:
    """One metric of a cell, compared with its reference."""

    cell: Cell
    metric: str
    measured: float  # NaN if a seed diverged
    level: Level
    half: float  # half the width of the band

    @property
    def share(self) -> float:
        """Distance from the reference in units of `half`; above 1 is outside the band. Infinite if a seed diverged."""
        return math.inf if math.isnan(self.measured) else abs(self.measured - self.level.mean) / self.half

    def __str__(self) -> str:
        measured = "diverged" if math.isnan(self.measured) else f"{self.measured:.4f}"
        low, high = self.level.mean - self.half, self.level.mean + self.half
        return f"{self.metric.replace('_', ' ')} {measured}, band {low:.4f} to {high:.4f}"


def compose(probes: Sequence[Probe], blocks: Sequence[Measured], before: Reference | None) -> Reference:
    """The reference from blocks of seeds, of which the first is the check's own.

    Streams that were not measured keep their levels from `before`. Raises InputError if a run diverged.
    """
    streams = dict(before.streams) if before else {}
    for probe in probes:
        methods: dict[str, dict[str, Level]] = {}
        for method, stream in blocks[0]:
            if stream == probe.stream:
                methods[method] = {metric: _level((method, stream), metric, blocks) for metric in METRICS}
        streams[probe.stream] = StreamLevels(changes=dict(probe.changes), seeds=probe.seeds, methods=methods)
    return Reference(processor=provenance.processor(), versions=provenance.versions(), streams=streams)


def _level(cell: Cell, metric: str, blocks: Sequence[Measured]) -> Level:
    mean = blocks[0][cell][metric].mean()
    spread = np.concatenate([block[cell][metric] for block in blocks]).std(ddof=1)
    if math.isnan(spread):
        raise InputError(f"{' on '.join(cell)} diverged; the references were not changed")
    return Level(mean=round(mean, 6), spread=round(spread, 6))


def compare(probes: Iterable[Probe], measured: Measured, reference: Reference) -> Iterator[Comparison]:
    """Compare every metric of every measured cell with its reference.

    Raises InputError if the reference lacks a cell or was made with other settings or seeds.
    """
    for probe in probes:
        levels = reference.streams.get(probe.stream)
        methods = {method for method, stream in measured if stream == probe.stream}
        if (
            levels is None
            or (levels.changes, levels.seeds) != (dict(probe.changes), probe.seeds)
            or (methods - levels.methods.keys())
        ):
            raise InputError(
                f"the references of {probe.stream} are missing or were made with other settings, "
                "seeds or methods; make them: python -m benchmark check --accept"
            )
        for cell in (cell for cell in measured if cell[1] == probe.stream):
            for metric, level in levels.methods[cell[0]].items():
                value = float(measured[cell][metric].mean())
                yield Comparison(cell, metric, value, level, _half(level, probe.seeds))


def _half(level: Level, seeds: int) -> float:
    return max(WIDTH * level.spread / math.sqrt(seeds), LEAST)


def moved(comparisons: Iterable[Comparison]) -> list[str]:
    """One line for each cell that has a metric outside its band."""
    outside: dict[Cell, list[str]] = {}
    for comparison in comparisons:
        if comparison.share > 1:
            outside.setdefault(comparison.cell, []).append(str(comparison))
    return [f"{' on '.join(cell)}: {'; '.join(said)}" for cell, said in outside.items()]


def changes(before: Reference | None, after: Reference) -> list[str]:
    """What `after` changes: one line for each new cell and each cell that left its former band.

    A last line counts the cells that changed within their bands.
    """
    lines, within = [], 0
    for stream, new in after.streams.items():
        old = before.streams.get(stream) if before else None
        for method, levels in new.methods.items():
            name, known = f"{method} on {stream}", old.methods.get(method) if old else None
            if old is None or known is None or (old.changes, old.seeds) != (new.changes, new.seeds):
                lines.append(f"new: {name}")
                continue
            said = [
                str(comparison)
                for metric, level in levels.items()
                if (
                    comparison := Comparison(
                        (method, stream), metric, level.mean, known[metric], _half(known[metric], old.seeds)
                    )
                ).share
                > 1
            ]
            lines += [f"moved: {name}: {'; '.join(said)}"] if said else []
            within += not said and known != levels
    return [*lines, f"{within} other cells changed within their bands"]


def load(results: Path) -> Reference | None:
    """The references of a results directory; None if it has none. Raises InputError if they cannot be read."""
    path = results / FILE
    try:
        return Reference.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        raise InputError(
            f"{path} cannot be read as references; remove it and make them again: python -m benchmark check --accept"
        ) from None


def save(results: Path, reference: Reference) -> Path:
    """Write the references atomically and return their path. Raises InputError if they cannot be written."""
    path = results / FILE
    text = json.dumps(reference.model_dump(), indent=1, allow_nan=False) + "\n"
    files.write(path, text.encode())
    return path
