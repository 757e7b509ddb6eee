"""Runs the probes of a cell: calls them when a measurement is due, checks them, and collects their measurements."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from benchmark.common.loading import place_of
from benchmark.common.seeded import seeded
from benchmark.records.measurement import MOST_NUMBERS, numbers
from benchmark.records.schema import is_identifier
from benchmark.training.probe import Probe, View
from benchmark.training.probes import Asked
from methods.errors import InputError

if TYPE_CHECKING:
    from benchmark.training.engine import Cell

Row = list[Any]
"""One measurement of one seed: [phase, step, {name: value}]."""


class Probes:
    """The probes of a cell and their measurements. rows: [probe][seed], a list of Row."""

    def __init__(self, asked: Sequence[Asked], cell: Cell) -> None:
        self.cell, self.asked, self._seconds = cell, asked, 0.0
        examples = [sum(len(cell.streams[0].train[task]) for task in tasks) for tasks in cell.phases]
        self.steps = [-(-count // cell.settings.batch_size) * cell.settings.epochs for count in examples]
        view = self._view(0, 0)
        self.probes = [self._made(each, view) for each in asked]
        self.rows: list[list[list[Row]]] = [[[] for _ in cell.streams] for _ in asked]
        self._counts = [0 for _ in asked]

    def after_step(self, phase: int, step: int) -> None:
        """Measure with the probes that are due after step `step` of a phase, counted from 1, except its last step."""
        if step < self.steps[phase]:
            due = [n for n, probe in enumerate(self.probes) if probe.options.every and step % probe.options.every == 0]
            if due:
                self._measure(due, phase, step)

    def after_phase(self, phase: int) -> float:
        """Measure with all probes. Returns the seconds that measurements took since the start of the phase."""
        self._measure(range(len(self.probes)), phase, self.steps[phase])
        seconds, self._seconds = self._seconds, 0.0
        return seconds

    def measurements(self, index: int) -> dict[str, dict[str, object]]:
        """The measurements of a seed by probe, as a record holds them. A diverged seed has those before it diverged."""
        return {
            probe.name: each.description() | {"values": _columns(rows[index])}
            for probe, each, rows in zip(self.probes, self.asked, self.rows, strict=True)
        }

    def state(self) -> dict[str, Tensor]:
        """All tensors that the probes need to continue, by name."""
        saved = {}
        for probe, rows in zip(self.probes, self.rows, strict=True):
            text = json.dumps(rows, allow_nan=False).encode()
            saved[f"probe.{probe.name}.rows"] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
            saved |= {f"probe.{probe.name}.own.{name}": value for name, value in probe.state().items()}
        return saved

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore a state that `state` returned. Raises KeyError or ValueError if it belongs to other probes."""
        for n, probe in enumerate(self.probes):
            self.rows[n] = json.loads(bytes(tensors[f"probe.{probe.name}.rows"].cpu().numpy()))
            if len(self.rows[n]) != len(self.cell.streams):
                raise ValueError("measurements of other seeds")
            self._counts[n] = max(sum(map(_count, rows)) for rows in self.rows[n])
            own = f"probe.{probe.name}.own."
            probe.restore({name.removeprefix(own): value for name, value in tensors.items() if name.startswith(own)})

    def _made(self, asked: Asked, view: View) -> Probe:
        kind = asked.load()
        with self._only_looking(kind, 0):
            return kind(kind.Options(**dict(asked.options)), view)

    def _view(self, phase: int, step: int) -> View:
        cell = self.cell
        done = sum(self.steps[:phase]) + step
        return View(cell.net, cell.streams, cell.phases, phase, done, self.steps, cell.accuracy)

    def _measure(self, which: Sequence[int], phase: int, step: int) -> None:
        if self.cell.device.type == "cuda":
            torch.cuda.synchronize()  # pending training steps must not count as time of the measurement
        began, view = time.perf_counter(), self._view(phase, step)
        alive = self.cell.net.theta.sum(1).isfinite().tolist()
        for n in which:
            with self._only_looking(type(self.probes[n]), view.step):
                values = _checked(self.probes[n], self.probes[n].measure(view), len(alive))
            self._keep(n, [phase, view.step], values, alive)
        self._seconds += time.perf_counter() - began

    def _keep(self, n: int, moment: Row, values: Mapping[str, Sequence[object]], alive: Sequence[bool]) -> None:
        for seed, lives in enumerate(alive):
            if lives:
                row = [*moment, {name: each[seed] for name, each in values.items()}]
                self.rows[n][seed].append(row)
        self._counts[n] += max((_count(rows[-1]) for rows in self.rows[n] if rows), default=0)
        if self._counts[n] > MOST_NUMBERS:
            name = self.probes[n].name
            raise InputError(
                f"--measure {name}: it measured more than {MOST_NUMBERS:,} numbers per run, the limit of a record; "
                f"measure less often, with {name}:every=K"
            )

    @contextmanager
    def _only_looking(self, probe: type[Probe], step: int) -> Iterator[None]:
        """Raises InputError if the probe fails, changes the networks or draws from the run's generators in the block.

        The global generators are seeded with the step, so that a probe that draws from them is reproducible.
        """
        kept = [self.cell.net.theta, *self.cell.net.buffers.values()]
        before = [tensor._version for tensor in kept]
        try:
            with seeded(step), self.cell.random.given(_refused(probe)):
                yield
        except InputError:
            raise
        except Exception as error:
            if probe.__module__.startswith("benchmark."):
                raise  # a defect of the suite, which needs its traceback
            file = getattr(sys.modules.get(probe.__module__), "__file__", None)
            raise InputError(f"--measure {probe.name}: {place_of(error, file)}; finished runs are recorded") from error
        if [tensor._version for tensor in kept] != before:
            raise InputError(
                f"--measure {probe.name}: it changed the networks' parameters or buffers; it may only look"
            )


def _refused(probe: type[Probe]) -> Iterator[Tensor]:
    raise InputError(
        f"--measure {probe.name}: it draws from the run's generators, as dropout does; draw from view.generators(label)"
    )
    yield


def _checked(probe: Probe, values: Mapping[str, object], seeds: int) -> dict[str, list[object]]:
    """The values of each name, [S], with None for NaN and infinity. Raises InputError if no record can hold them."""
    found = {}
    for name, value in dict(values).items():
        if not is_identifier(name) or name in ("phase", "step"):
            raise InputError(f"--measure {probe.name}: {name!r} cannot be the name of a measurement; use another")
        rows = _finite(value.detach().tolist() if isinstance(value, Tensor) else value)
        if not isinstance(rows, list) or len(rows) != seeds:
            raise InputError(f"--measure {probe.name}: '{name}' must have one entry per seed, {seeds} in all")
        try:
            for _ in numbers(rows):
                pass
        except ValueError as error:
            raise InputError(f"--measure {probe.name}: '{name}': {error}") from None
        found[name] = rows
    return found


def _finite(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    if isinstance(value, bool):
        return int(value)
    return None if isinstance(value, float) and value - value != 0 else value


def _count(row: Row) -> int:
    return 2 + sum(1 for value in row[2].values() for _ in numbers(value))


def _columns(rows: Sequence[Row]) -> dict[str, list[object]]:
    names = dict.fromkeys(name for row in rows for name in row[2])
    said = {name: [row[2].get(name) for row in rows] for name in names}
    return {"phase": [row[0] for row in rows], "step": [row[1] for row in rows]} | said
