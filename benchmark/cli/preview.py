"""The output of `run --dry-run`, as text and as JSON."""

import json
from collections.abc import Iterator, Sequence

from tabulate import tabulate

from benchmark.common.text import printable
from benchmark.runs.estimate import MIB
from benchmark.runs.experiment import counts
from benchmark.runs.preview import CellPreview, Preview

HEADERS = ("method", "stream", "changed settings", "recorded", "to do", "time", "memory")


def text(preview: Preview) -> str:
    """A line that counts the runs, a table of the cells, and the basis of each estimate."""
    manner = f"on {preview.device}"
    if preview.processes is not None:
        manner += f", {preview.processes} at a time"
    rows = [_row(cell) for cell in preview.cells]
    table = tabulate(rows, headers=HEADERS, tablefmt="simple", disable_numparse=True)
    notes = [*_data_notes(preview), *(_time_notes(preview) if preview.to_do else ()), *_memory_notes(preview)]
    return "\n".join(
        [counts(preview.experiment, preview.to_do, manner), "", printable_lines(table), "", *notes]
    ).rstrip()


def as_json(preview: Preview) -> str:
    """A JSON object: runs, to_do, device, processes, seconds, elapsed_seconds, and `cells`, a list of objects."""
    asked = preview.experiment
    whole = {
        "runs": asked.runs,
        "to_do": preview.to_do,
        "device": preview.device,
        "processes": preview.processes,
        "seconds": preview.seconds,
        "elapsed_seconds": preview.elapsed,
    }
    return json.dumps(whole | {"cells": [_object(cell) for cell in preview.cells]}, indent=1)


def printable_lines(table: str) -> str:
    """The table with "?" for each unprintable character, line by line."""
    return "\n".join(printable(line) for line in table.split("\n"))


def span(seeds: Sequence[int]) -> str:
    """Rising seeds as text: "0 to 4, 7"."""
    parts: list[list[int]] = []
    for seed in seeds:
        if parts and seed == parts[-1][-1] + 1:
            parts[-1].append(seed)
        else:
            parts.append([seed])
    return ", ".join(f"{part[0]} to {part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)


def duration(seconds: float) -> str:
    """Seconds as short text: "40 s", "12 min", "3.5 h"."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _row(cell: CellPreview) -> list[str]:
    recorded = [span(cell.recorded), f"{span(cell.unchecked)} (not checked against the data)"]
    to_do = span(cell.to_do) + (f" (recorded with other code or data: {span(cell.outdated)})" if cell.outdated else "")
    time, memory = cell.time, cell.memory
    return [
        cell.method,
        cell.stream,
        " ".join(f"{name}={value}" for name, value in cell.changed.items()) or "none",
        (recorded[0] if cell.recorded else "") or (recorded[1] if cell.unchecked else "none"),
        to_do or "none",
        "" if not cell.to_do else f"about {duration(time.seconds * len(cell.to_do))}" if time else "unknown",
        "" if not cell.to_do else _mib(memory.total) if memory else "unknown",
    ]


def _data_notes(preview: Preview) -> Iterator[str]:
    for title in dict.fromkeys(cell.missing_data for cell in preview.cells if cell.missing_data):
        runs = any(cell.to_do for cell in preview.cells if cell.missing_data == title)
        yield f"data: {title} is missing{'; a run downloads it' if runs else ''}; see python -m benchmark data"


def _time_notes(preview: Preview) -> Iterator[str]:
    to_do = [cell for cell in preview.cells if cell.to_do]
    if preview.seconds is not None:
        all_of_it = f"time: about {duration(preview.seconds)} of training"
        yield all_of_it + ("" if preview.elapsed is None else f", done in about {duration(preview.elapsed)}")
    bases: dict[str, list[str]] = {}
    for cell in to_do:
        basis = cell.time.basis if cell.time else "unknown: there is no recorded run on this stream and device"
        bases.setdefault(basis, []).append(f"{cell.method} on {cell.stream}")
    for basis, cells in bases.items():
        yield f"time of {', '.join(cells)}: {basis}"


def _memory_notes(preview: Preview) -> Iterator[str]:
    known = [cell.memory for cell in preview.cells if cell.memory]
    if known:
        largest = max(known, key=lambda memory: memory.total)
        yield (
            f"memory: about {_mib(largest.total)} for each process at most: libraries {_mib(largest.libraries)} "
            f"(measured once), data {_mib(largest.data)} and training {_mib(largest.training)} (sizes of tensors)"
        )
    if preview.device == "cuda" and preview.to_do:
        yield "memory: not estimated on a GPU"


def _mib(size: int) -> str:
    return f"{round(size / MIB)} MiB"


def _object(cell: CellPreview) -> dict[str, object]:
    return {
        "method": cell.method,
        "stream": cell.stream,
        "settings": cell.settings,
        "changed": cell.changed,
        "recorded": cell.recorded,
        "recorded_unchecked": cell.unchecked,
        "outdated": cell.outdated,
        "to_do": cell.to_do,
        "missing_data": cell.missing_data,
        "seconds_a_seed": cell.time and cell.time.seconds,
        "basis": cell.time and cell.time.basis,
        "memory_bytes": cell.memory and cell.memory.total,
    }
