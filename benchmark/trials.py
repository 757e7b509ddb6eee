"""The trials of the search, run and shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tabulate import tabulate

from benchmark import planning
from benchmark.executors import executor
from benchmark.executors.executor import Where
from benchmark.executors.local import Local
from benchmark.paper import PUBLISHED
from benchmark.records import SEARCH_FOLDER, Record, load, path_of
from benchmark.search import SEED, Changes, Trial, chosen, trials
from methods.catalogue import METHOD_ROWS
from methods.settings import settings_for

HEADERS = ["method", "settings", "accuracy %", "forgetting", "distance", ""]


def run(methods: Sequence[str], streams: Sequence[str], results: Path, data: Path | None, jobs: int | None) -> None:
    """Run the trials that are not recorded yet, each a run of the seed SEED, and record them below results/search.

    Where the rule takes a method's first trial, the others cannot change that and are left out.
    """
    firsts = [(method, stream, trials(method, stream)[:1]) for stream in streams for method in methods]
    _train(firsts, results, data, jobs)
    rest = [(method, stream, trials(method, stream)[1:])
            for method, stream, first in firsts if first and not recorded(method, stream, results)[0].settles]
    _train(rest, results, data, jobs)


def recorded(method: str, stream: str, results: Path) -> list[Trial]:
    """The trials of a method on a stream that have been run, in their order."""
    places = [(changes, _place(method, stream, changes, results)) for changes in trials(method, stream)]
    return [Trial.of(changes, load(place)) for changes, place in places if place.exists()]


def text(methods: Sequence[str], stream: str, results: Path) -> str:
    """A Markdown table of a stream's trials: what was tried, what came of it, which one the rule takes."""
    rows = [row for method in methods for row in _rows(method, stream, results)]
    return tabulate(rows, headers=HEADERS, tablefmt="pipe", disable_numparse=True,
                    colalign=("left", "left", "right", "right", "right", "left"))


def _train(
    cells: Sequence[tuple[str, str, Sequence[Changes]]], results: Path, data: Path | None, jobs: int | None
) -> None:
    place = results / SEARCH_FOLDER
    units = [
        unit
        for method, stream, of_cell in cells for changes in of_cell
        for unit in planning.plan([method], [stream], [SEED], changes, place, data, "cpu")
    ]
    if units:
        executor.check_writable(place)
        longest_first = [replace(unit, among=len(units)) for unit in sorted(units, key=lambda unit: -unit.cost)]
        threads = executor.threads_of(longest_first, "cpu", jobs)
        executor.run(Local(jobs), longest_first, Where(place, data, "cpu", threads))


def _rows(method: str, stream: str, results: Path) -> list[list[str]]:
    run, paper = recorded(method, stream, results), PUBLISHED[method, stream]
    figures = [f"{paper.accuracy:.1f}", f"{paper.forgetting:.2f}"]
    head = [METHOD_ROWS[method].title, "the paper's figures", *figures, "", ""]
    taken = chosen(run) if run else None
    return [head, *(_row(trial, index == taken) for index, trial in enumerate(run))]


def _place(method: str, stream: str, changes: Changes, results: Path) -> Path:
    return path_of(results / SEARCH_FOLDER, method, stream, SEED, settings_for(method, stream, changes))


def _row(trial: Trial, taken: bool) -> list[str]:
    settings = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in trial.changes.items())
    return ["", settings, *_figures(trial.record), f"{trial.distance:.1f}", "taken" if taken else ""]


def _figures(record: Record) -> tuple[str, str]:
    if record.status != "complete":
        return "diverged", ""
    return f"{100 * record.metrics.average_accuracy:.1f}", f"{record.metrics.average_forgetting:.2f}"
