"""The figure of average accuracy as the tasks go by."""

import benchmark.common.plotting  # noqa: F401  (before matplotlib)

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from benchmark.common import files
from benchmark.records.metrics import average_accuracies, met
from benchmark.records.schema import Record
from benchmark.streams.kinds import STREAMS
from benchmark.tables.labels import cut, row_label, stream_label
from benchmark.tables.table import titles, variants
from methods.catalogue import METHOD_ROWS
from methods.errors import InputError

# Okabe and Ito's palette, told apart with any colour vision; the markers do the same in grey.
COLOURS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#D55E00", "#CC79A7", "#0072B2")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
COLUMNS = 3  # panels side by side

LINES = ("-", "--", ":", "-.")
LABEL_WIDTH, TITLE_WIDTH = 80, 50  # letters in a legend and above a panel

Row = tuple[str, str]  # method id and label
Curves = dict[Row, np.ndarray]


def curves(records: Sequence[Record], stem: Path) -> tuple[Path, Path]:
    """Draw A_t over the tasks t for every method, a panel a stream; write <stem>.png and <stem>.svg.

    A line is the mean over the complete runs of a row of the table, its band their sample standard deviation.
    Returns both paths. Raises InputError where no run is complete, or the files cannot be written.
    """
    panels = {
        stream: {row: np.stack([average_accuracies(a) for a in runs]) for row, runs in part.items()}
        for stream, part in matrices(records).items()
    }
    return save(_draw(panels), stem)


def matrices(records: Sequence[Record]) -> dict[str, Curves]:
    """The accuracy matrices of the complete runs, [S, T, T], by stream and row; both in the table's order.

    NaN where a task was not met yet. Raises InputError where no run is complete, and where the runs of a row differ
    in their number of tasks.
    """
    found: dict[str, dict[Row, list[ArrayLike]]] = {}
    named = titles(records)
    for record, variant in zip(records, variants(records), strict=True):
        if record.status == "complete":
            row = record.method, row_label(record.method, variant, named.get(record.method))
            found.setdefault(record.stream, {}).setdefault(row, []).append(record.accuracy_matrix)
    if not found:
        raise InputError("there are no complete runs to draw; make some with `python -m benchmark run`")
    for stream, rows in found.items():
        for (_, label), runs in rows.items():
            if len({len(matrix) for matrix in runs}) > 1:
                raise InputError(
                    f"the runs of {label} on {stream} differ in their number of tasks, which is no "
                    "setting of theirs; leave some out, or record `tasks` with them"
                )
    return {
        stream: {row: np.stack([met(a) for a in found[stream][row]]) for row in _rows(found[stream])}
        for stream in sorted(found, key=lambda stream: _place(STREAMS, stream))
    }


def save(figure: Figure, stem: Path) -> tuple[Path, Path]:
    """Write <stem>.png and <stem>.svg, each in whole or not at all, the same bytes for the same figure.

    Raises InputError, one line that names the file, where it cannot be drawn or written.
    """
    paths = tuple(Path(stem).with_name(Path(stem).name + ending) for ending in (".png", ".svg"))
    with matplotlib.rc_context({"svg.hashsalt": "curves"}):
        pictures = [_picture(figure, paths[0], dpi=150), _picture(figure, paths[1], metadata={"Date": None})]
    for path, picture in zip(paths, pictures, strict=True):
        try:
            files.write(path, picture)
        except InputError as error:
            raise InputError(str(error).replace("cannot write", "cannot write the figure", 1)) from None
    return paths


def _picture(figure: Figure, path: Path, **options: object) -> bytes:
    """What the file will hold. Raises InputError where matplotlib cannot draw it, as where it is too large."""
    held = io.BytesIO()
    try:
        figure.savefig(held, format=path.suffix[1:], **options)
    except (ValueError, RuntimeError, OSError, MemoryError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"cannot draw the figure {path} ({reason}); choose fewer rows with --method and --stream"
        ) from error
    return held.getvalue()


def _rows(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (_place(METHOD_ROWS, row[0]), len(row[1]), row[1]))


def _place(known: Mapping[str, object], name: str) -> tuple[int, str]:
    return (list(known).index(name) if name in known else len(known)), name


def _styles(panels: dict[str, Curves]) -> dict[Row, dict[str, str]]:
    """Colour and marker by method, the same in every figure; line by variant. In the table's order."""
    rows = _rows({row for part in panels.values() for row in part})
    methods = [*METHOD_ROWS, *dict.fromkeys(method for method, _ in rows if method not in METHOD_ROWS)]
    styles = {}
    for method, label in rows:
        place = methods.index(method)
        before = sum(other == method for other, _ in styles)
        styles[method, label] = {
            "color": COLOURS[place % len(COLOURS)],
            "marker": MARKERS[place % len(MARKERS)],
            "linestyle": LINES[before % len(LINES)],
        }
    return styles


def _draw(panels: dict[str, Curves]) -> Figure:
    styles = _styles(panels)
    across = min(COLUMNS, len(panels))
    down = -(-len(panels) // across)
    figure = Figure(figsize=(4 * max(across, 1.5), 3.2 * down + 0.9), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for axis, (stream, part) in zip(axes, panels.items(), strict=False):
        _panel(axis, stream, part, styles)
    for axis in axes[len(panels) :]:
        axis.remove()
    handles = [
        Line2D([], [], markersize=4, label=cut(label, LABEL_WIDTH), **style) for (_, label), style in styles.items()
    ]
    legend = figure.legend(
        handles=handles,
        title="mean over seeds; band: sample standard deviation",
        frameon=False,
        loc="outside lower center",
        ncols=min(2 * across, len(handles)),
    )
    for text in legend.get_texts():
        text.set_parse_math(False)  # it may hold what a record says
    return figure


def _panel(axis: Axes, stream: str, part: Curves, styles: dict[Row, dict[str, str]]) -> None:
    for row in (row for row in styles if row in part):
        values = 100 * part[row]
        tasks, mean = np.arange(1, values.shape[1] + 1), values.mean(axis=0)
        axis.plot(tasks, mean, markersize=4, **styles[row])
        if len(values) > 1:
            spread = values.std(axis=0, ddof=1)
            axis.fill_between(tasks, mean - spread, mean + spread, color=styles[row]["color"], alpha=0.2, linewidth=0)
    axis.set_title(cut(stream_label(stream), TITLE_WIDTH))
    axis.set_xlabel("tasks trained")
    axis.set_ylabel("average accuracy (%)")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.grid(alpha=0.3)
