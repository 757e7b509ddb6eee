"""Run the trials of the search over the paper's grid, and show them as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tabulate import tabulate

from benchmark.records.schema import Record
from benchmark.records.store import SEARCH_FOLDER, load, path_of
from benchmark.runs import plan
from benchmark.runs.executors import base
from benchmark.runs.executors.base import Where
from benchmark.runs.executors.local import Local
from benchmark.studies.paper_grid import MORE_SEEDS, SEED, Changes, Trial, chosen, means, near, trials
from benchmark.tables.published import PUBLISHED
from methods.catalogue import METHOD_ROWS
from methods.settings import settings_for

HEADERS = ["method", "settings", "seeds", "accuracy %", "forgetting", "distance", ""]


def run(methods: Sequence[str], streams: Sequence[str], results: Path, data: Path | None, jobs: int | None) -> None:
    """Run the trials that are not recorded yet, and record them below results/search.

    If the rule takes a method's first trial, its other trials are skipped: they cannot change the choice. The near
    trials are run with MORE_SEEDS after all trials have been run with SEED.
    """
    firsts = [(method, stream, trials(method, stream)[:1]) for stream in streams for method in methods]
    _train(firsts, [SEED], results, data, jobs)
    rest = [
        (method, stream, trials(method, stream)[1:])
        for method, stream, first in firsts
        if first and not recorded(method, stream, results)[0].settles
    ]
    _train(rest, [SEED], results, data, jobs)
    left = [
        (method, stream, [trial.changes for trial in near(recorded(method, stream, results))])
        for method, stream, _ in rest
    ]
    _train(left, MORE_SEEDS, results, data, jobs)


def recorded(method: str, stream: str, results: Path) -> list[Trial]:
    """The trials of a method on a stream that have been run, in the order of the grid."""

    def of(changes: Changes) -> list[Record]:
        places = [_place(method, stream, changes, seed, results) for seed in (SEED, *MORE_SEEDS)]
        return [load(place) for place in places if place.exists()]

    return [Trial.of(changes, records) for changes in trials(method, stream) if (records := of(changes))]


def text(methods: Sequence[str], stream: str, results: Path) -> str:
    """A Markdown table of a stream's trials: settings, results, and the trial that the rule takes.

    Methods that are not in the paper's table have no trials and no rows.
    """
    rows = [row for method in methods if (method, stream) in PUBLISHED for row in _rows(method, stream, results)]
    return tabulate(
        rows,
        headers=HEADERS,
        tablefmt="pipe",
        disable_numparse=True,
        colalign=("left", "left", "right", "right", "right", "right", "left"),
    )


def _train(
    cells: Sequence[tuple[str, str, Sequence[Changes]]],
    seeds: Sequence[int],
    results: Path,
    data: Path | None,
    jobs: int | None,
) -> None:
    place = results / SEARCH_FOLDER
    units = [
        unit
        for method, stream, of_cell in cells
        for changes in of_cell
        for unit in plan.plan([method], [stream], seeds, changes, place, data, "cpu")
    ]
    if units:
        base.check_writable(place)
        longest_first = [replace(unit, among=len(units)) for unit in sorted(units, key=lambda unit: -unit.cost)]
        threads = base.threads_of(longest_first, "cpu", jobs)
        base.run(Local(jobs), longest_first, Where(place, data, "cpu", threads))


def _rows(method: str, stream: str, results: Path) -> list[list[str]]:
    run, paper = recorded(method, stream, results), PUBLISHED[method, stream]
    figures = [f"{paper.accuracy:.1f}", f"{paper.forgetting:.2f}"]
    head = [METHOD_ROWS[method].title, "the paper's figures", "", *figures, "", ""]
    return [head, *(_row(trial, mark) for trial, mark in zip(run, _marks(run), strict=True))]


def _place(method: str, stream: str, changes: Changes, seed: int, results: Path) -> Path:
    return path_of(results / SEARCH_FOLDER, method, stream, seed, settings_for(method, stream, changes))


def _marks(run: Sequence[Trial]) -> list[str]:
    """A mark for each trial: "taken", or "near" for the candidates while the rule cannot decide yet, or ""."""
    if not run:
        return []
    taken = chosen(run)
    open_between = near(run) if taken is None else []
    return ["taken" if index == taken else "near" if trial in open_between else "" for index, trial in enumerate(run)]


def _row(trial: Trial, mark: str) -> list[str]:
    settings = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in trial.changes.items())
    figures = means(trial.records)
    shown = ("diverged", "") if figures is None else (f"{figures[0]:.1f}", f"{figures[1]:.2f}")
    return ["", settings, str(len(trial.records)), *shown, f"{trial.distance:.1f}", mark]
