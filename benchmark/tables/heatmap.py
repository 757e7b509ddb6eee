"""The heat maps of the accuracy matrices: what is forgotten, task by task."""

import benchmark.common.plotting  # noqa: F401  (before matplotlib)

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from benchmark.records.schema import Record
from benchmark.tables.curves import COLUMNS, matrices, save
from benchmark.tables.labels import cut, stream_label

COLOURS = "viridis"  # rises in lightness with the value, so it reads with any colour vision, and in grey
TITLE_WIDTH = 36  # letters above a panel


def heatmaps(records: Sequence[Record], stem: Path) -> list[Path]:
    """Draw a[t, i], the accuracy on task i after training task t, a file a stream and a panel a row of the table.

    Tasks not met yet are left blank. Each panel is the mean over the row's complete runs. Writes <stem>-<stream>.png
    and .svg for every stream and returns the paths. Raises InputError where no run is complete, or the files
    cannot be written.
    """
    paths: list[Path] = []
    for stream, rows in matrices(records).items():
        panels = [(label, 100 * runs.mean(axis=0)) for (_, label), runs in rows.items()]
        place = Path(stem).with_name(f"{Path(stem).name}-{stream}")
        paths.extend(save(_draw(cut(stream_label(stream), TITLE_WIDTH), panels), place))
    return paths


def _draw(title: str, panels: Sequence[tuple[str, np.ndarray]]) -> Figure:
    across = min(COLUMNS, len(panels))
    down = -(-len(panels) // across)
    figure = Figure(figsize=(2.8 * across + 1.2, 2.8 * down + 0.5), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for axis, (label, matrix) in zip(axes, panels, strict=False):
        image = _panel(axis, label, matrix)
    for axis in axes[len(panels) :]:
        axis.remove()
    figure.suptitle(title)
    figure.supxlabel("task", fontsize="medium")
    figure.supylabel("after training task", fontsize="medium")
    figure.colorbar(image, ax=axes[: len(panels)].tolist(), label="accuracy (%), mean over seeds", aspect=30)
    return figure


def _panel(axis: Axes, label: str, matrix: np.ndarray) -> AxesImage:
    """One matrix, percent; tasks count from 1, the first row on top."""
    tasks = len(matrix)
    edges = (0.5, tasks + 0.5, tasks + 0.5, 0.5)
    image = axis.imshow(matrix, cmap=COLOURS, vmin=0, vmax=100, extent=edges, interpolation="nearest")
    title = textwrap.fill(label, TITLE_WIDTH, max_lines=3, placeholder=" …")
    axis.set_title(title, fontsize="medium", parse_math=False)  # it may hold what a record says
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    return image
