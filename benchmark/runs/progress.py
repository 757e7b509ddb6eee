"""Events of training and their display: progress bars on a terminal, and one plain line for each finished run."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from benchmark.common.text import printable
from benchmark.records.schema import Record, summary


@dataclass(frozen=True)
class Advance:
    """A unit made progress."""

    unit: int  # index in the list of units
    share: float  # finished share of the unit, 0 to 1
    phase: int  # current phase, zero-based
    phase_share: float  # finished share of that phase, 0 to 1


@dataclass(frozen=True)
class Evaluated:
    """A run in training was evaluated on the tasks seen so far."""

    place: Path  # path of its future record
    accuracy_matrix: list[list[float | None]]  # the rows so far


@dataclass(frozen=True)
class Saved:
    """A run is recorded."""

    place: Path
    record: Record

    @property
    def line(self) -> str:
        """The line to print: accuracy, forgetting and time, or where the run diverged."""
        name = f"{self.record.method} on {self.record.stream}, seed {self.record.seed}"
        diverged, metrics = self.record.diverged, self.record.metrics
        if diverged is not None:
            return f"{name}: diverged in task {diverged.task + 1}, at step {diverged.step + 1}"
        alone = len(self.record.accuracy_matrix) == 1  # a single task has nothing to forget
        forgetting = "" if alone else f"forgetting {metrics.average_forgetting:.2f}, "
        return f"{name}: accuracy {100 * metrics.average_accuracy:.1f} %, {forgetting}{self.record.seconds:.1f} s"


@dataclass(frozen=True)
class Notice:
    """A message for the user."""

    line: str


Event = Advance | Evaluated | Notice | Saved
Watch = Callable[[Event], None]


def say(event: Event) -> None:
    """Print the line of an event on standard output, if it has one."""
    if isinstance(event, Notice | Saved):
        print(printable(event.line), flush=True)


def say_notices(event: Event) -> None:
    """Print notices on standard output, but no line for finished runs."""
    if isinstance(event, Notice):
        say(event)


def say_json(event: Event) -> None:
    """Print a recorded run as a line of JSON on standard output, and notices on standard error."""
    if isinstance(event, Saved):
        print(json.dumps({"place": str(event.place)} | summary(event.record)), flush=True)
    elif isinstance(event, Notice):
        print(printable(event.line), file=sys.stderr, flush=True)


@dataclass
class _Bars:
    cell: TaskID
    task: TaskID
    phase: int = 0


class Display:
    """Shows events. A context manager: on exit it removes the progress bars from the terminal.

    titles, phases, costs: for each unit its name, its number of phases, and its relative amount of work.
    watch: receives every event first, by default `say`; bars: show progress bars on a terminal.
    """

    def __init__(
        self,
        titles: Sequence[str],
        phases: Sequence[int],
        costs: Sequence[float],
        watch: Watch | None = None,
        bars: bool = True,
    ) -> None:
        self.titles, self.phases, self.costs, self.watch = titles, phases, costs, watch or say
        self.bars: dict[int, _Bars] = {}
        self.shares = [0.0] * len(titles)
        # Both must be terminals: the bars would redirect lines that belong in a pipe or file.
        shown = bars and sys.stdout.isatty() and sys.stderr.isatty()
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not shown,
            transient=True,
            speed_estimate_period=120,
        )
        self.whole = self.progress.add_task("whole run", total=sum(costs))

    def __enter__(self) -> "Display":
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def show(self, event: Event) -> None:
        """Show an event."""
        self.watch(event)
        if not isinstance(event, Advance):
            return
        self.shares[event.unit] = event.share
        done = sum(share * cost for share, cost in zip(self.shares, self.costs, strict=True))
        self.progress.update(self.whole, completed=done)
        if event.share == 1:
            self._close(event.unit)
            return
        bars = self._bars_of(event)
        self.progress.update(bars.cell, completed=event.share)
        self.progress.update(bars.task, completed=event.phase_share)

    def _close(self, unit: int) -> None:
        if unit in self.bars:
            bars = self.bars.pop(unit)
            self.progress.remove_task(bars.cell)
            self.progress.remove_task(bars.task)

    def _bars_of(self, event: Advance) -> _Bars:
        if event.unit not in self.bars:
            cell = self.progress.add_task(self.titles[event.unit], total=1)
            self.bars[event.unit] = _Bars(cell, self.progress.add_task(self._phase(event), total=1))
        bars = self.bars[event.unit]
        if bars.phase != event.phase:
            bars.phase = event.phase
            self.progress.reset(bars.task, description=self._phase(event))
        return bars

    def _phase(self, event: Advance) -> str:
        phases = self.phases[event.unit]
        return "  all tasks at once" if phases == 1 else f"  task {event.phase + 1} of {phases}"
