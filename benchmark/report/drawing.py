"""Geometry of the figures: from numbers to SVG paths, in the units of the viewBox."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from benchmark.report.data import Points, Stream
from methods.catalogue import METHOD_ROWS

# The same counts as in benchmark.tables.curves. report.css defines the colours and the dashes.
COLOURS, LINES = 7, 4
WIDTH, HEIGHT = 420, 290
LEFT, RIGHT, TOP, BOTTOM = 40, 412, 8, 252  # the edges of the plot
BARS_WIDTH, BARS_HEIGHT, BARS_LEFT, BARS_TOP, BARS_BOTTOM = 320, 84, 24, 8, 66

_MARKERS = (
    "m-2.6 0a2.6 2.6 0 1 0 5.2 0a2.6 2.6 0 1 0-5.2 0z",  # circle
    "m-2.3-2.3h4.6v4.6h-4.6z",  # square
    "m0-3l2.8 5h-5.6z",  # triangle up
    "m0-3.2l3.2 3.2l-3.2 3.2l-3.2-3.2z",  # diamond
    "m0 3l2.8-5h-5.6z",  # triangle down
    "m-1-3h2v2h2v2h-2v2h-2v-2h-2v-2h2z",  # plus
    "m-3-1.6l1.4-1.4l1.6 1.6l1.6-1.6l1.4 1.4l-1.6 1.6l1.6 1.6l-1.4 1.4l-1.6-1.6l-1.6 1.6l-1.4-1.4l1.6-1.6z",  # cross
)


@dataclass(frozen=True)
class Style:
    """The style of a table row in every figure: colour and marker by method, line style by variant."""

    key: int  # position in the legend
    method: str
    label: str
    colour: int
    line: int

    def marker(self, x: float, y: float) -> str:
        """The SVG path of the marker at (x, y)."""
        return f"M{x:.5g} {y:.5g}{_MARKERS[self.colour]}"


Row = tuple[str, str]  # method id and label


def styles(parts: Sequence[Stream]) -> dict[Row, Style]:
    """The style of every row, in the order of the table."""
    rows = list(dict.fromkeys(cell.place for part in parts for cell in part.cells))
    methods = [*METHOD_ROWS, *sorted({method for method, _ in rows if method not in METHOD_ROWS})]
    before: dict[str, int] = {}
    found = {}
    for key, (method, label) in enumerate(sorted(rows, key=lambda row: methods.index(row[0]))):
        line = before[method] = before.get(method, -1) + 1
        found[method, label] = Style(key, method, label, methods.index(method) % COLOURS, line % LINES)
    return found


@dataclass(frozen=True)
class Scale:
    """A linear map from values to coordinates."""

    low: float
    high: float
    first: float  # coordinate of `low`
    last: float  # coordinate of `high`

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.first + share * (self.last - self.first)


@dataclass(frozen=True)
class Line:
    """The curve of a row: SVG paths of its line, its band (empty for a single seed) and its markers."""

    style: Style
    line: str
    band: str
    markers: str


@dataclass(frozen=True)
class Panel:
    """The curves of a stream. Ticks of both axes are (coordinate, label)."""

    across: list[tuple[float, str]]
    up: list[tuple[float, str]]
    lines: list[Line]
    tasks: int
    first: float  # coordinate of the first task
    step: float  # distance between tasks


def panels(parts: Sequence[Stream], looks: Mapping[Row, Style]) -> list[Panel | None]:
    """A panel for each stream: the average accuracy after each task. All panels share one scale.

    None for a stream without a complete run.
    """
    reach = [
        end
        for part in parts
        for cell in part.cells
        for mean, spread in cell.average_accuracy
        for end in (mean - (spread or 0), mean + (spread or 0))
    ]
    if not reach:
        return [None for _ in parts]
    ticks = _ticks(max(0, min(reach)), min(100, max(reach)))
    up = Scale(ticks[0], ticks[-1], BOTTOM, TOP)
    return [_panel(part, looks, up, ticks) for part in parts]


def _panel(part: Stream, looks: Mapping[Row, Style], up: Scale, ticks: Sequence[float]) -> Panel | None:
    tasks = max((len(cell.average_accuracy) for cell in part.cells), default=0)
    if not tasks:
        return None
    across = Scale(1, tasks, LEFT + 8, RIGHT - 8)
    lines = [_line(looks[cell.place], cell.average_accuracy, across, up) for cell in part.cells]
    return Panel(
        across=[(across(task), str(task)) for task in task_ticks(tasks)],
        up=[(up(tick), f"{tick:g}") for tick in ticks],
        lines=[line for line in lines if line.line],
        tasks=tasks,
        first=across(1),
        step=across(2) - across(1) if tasks > 1 else 1,
    )


def _line(style: Style, points: Points, across: Scale, up: Scale) -> Line:
    tasks = range(1, len(points) + 1)
    middle = [(across(task), up(mean)) for task, (mean, _) in zip(tasks, points, strict=True)]
    spread = [(across(task), mean, by) for task, (mean, by) in zip(tasks, points, strict=True) if by is not None]
    upper = [(x, up(min(100, mean + by))) for x, mean, by in spread]
    lower = [(x, up(max(0, mean - by))) for x, mean, by in reversed(spread)]
    return Line(style, _path(middle), _path([*upper, *lower]), "".join(style.marker(x, y) for x, y in middle))


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.5g} {y:.5g}" for x, y in points) if points else ""


def _ticks(low: float, high: float) -> list[float]:
    """At most seven round numbers that cover `low` to `high`."""
    step = next(step for step in (0.5, 1, 2, 5, 10, 20) if high - low <= 5 * step)
    first = int(low // step)
    last = max(first + 1, -int(-high // step))
    return [step * n for n in range(first, last + 1)]


def task_ticks(tasks: int) -> list[int]:
    """Task 1 and the round task numbers after it, at most ten."""
    step = next(digit * 10**zeros for zeros in count() for digit in (1, 2, 5) if tasks <= 8 * digit * 10**zeros)
    return [1, *range(step, tasks + 1, step)] if step > 1 else list(range(1, tasks + 1))


@dataclass(frozen=True)
class Bar:
    """The forgetting of a task as a rectangle. (x, y): its upper left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Bars:
    """The forgetting of every task but the last, aligned with the columns of the accuracy matrix."""

    bars: list[Bar]
    zero: float
    up: list[tuple[float, str]]
    across: list[tuple[float, str]]


def bars(part: Stream) -> list[Bars | None]:
    """Bars for each cell of a stream: the forgetting by task. All cells share one scale.

    None for a cell without forgetting by task.
    """
    values = [mean for cell in part.cells for mean, _ in cell.forgetting]
    up = Scale(min([0, *values]), max([0.01, *values]), BARS_BOTTOM, BARS_TOP)
    return [_bars(cell.forgetting, up) if cell.forgetting else None for cell in part.cells]


def _bars(points: Points, up: Scale) -> Bars:
    width = (BARS_WIDTH - BARS_LEFT) / (len(points) + 1)
    drawn = [
        Bar(BARS_LEFT + (task + 0.12) * width, up(max(mean, 0)), 0.76 * width, abs(up(mean) - up(0)))
        for task, (mean, _) in enumerate(points)
    ]
    ticks = [tick for tick in (up.low, 0, up.high) if tick in (0, up.high) or up(0) - up(tick) < -9]
    return Bars(
        drawn,
        zero=up(0),
        up=[(up(tick), f"{tick:.2f}" if tick else "0") for tick in ticks],
        across=[(BARS_LEFT + (task - 0.5) * width, str(task)) for task in task_ticks(len(points) + 1)],
    )
