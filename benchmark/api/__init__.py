"""What the commands `run` and `table` do, from Python.

Everything that is wrong in what is given raises methods.errors.InputError, a ValueError whose one line says what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

import pandas as pd

from benchmark.api import given
from benchmark.api.given import Methods, PathLike, Setting, Streams, told_in_python
from benchmark.cli import inputs
from benchmark.records import frames
from benchmark.records.derived import metric
from benchmark.runs import experiment
from benchmark.runs.experiment import Experiment
from benchmark.streams.kinds import PAPER_STREAMS
from benchmark.training import probes
from methods.errors import InputError

if TYPE_CHECKING:
    from benchmark.runs.progress import Event

__all__ = ["InputError", "load_results", "metric", "run", "table"]


def run(
    methods: Methods | None = None,
    streams: Streams | None = None,
    *,
    network: str | None = None,
    seeds: int | Iterable[int] = 5,
    settings: Mapping[str, Setting] | None = None,
    data: PathLike | None = None,
    results: PathLike = "results",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    jobs: int | None = None,
    threads: int | None = None,
    executor: str = "local",
    address: str | None = None,
    slurm: Mapping[str, str | int] | None = None,
    executor_options: Mapping[str, str | int] | None = None,
    force: bool = False,
    measure: Iterable[str] = (),
    tensorboard: PathLike | None = None,
    verbose: bool = False,
) -> pd.DataFrame:
    """Train methods on streams, record every run, and return all runs asked for; see `python -m benchmark run`.

    A run that is recorded already below `results` is returned and not run again (unless `force`).

    methods: ids ("ewc"), files ("./mine.py"), "package.module:Class", "avalanche:NAME", or subclasses of Method that
      an importable file holds; None: all built-in ones.
    streams: ids, "avalanche:NAME" or files; None: the paper's three.
    network: an id ("mlp"), "./net.py", "./net.py:function" or "package.module:function"; None: each stream's own.
    seeds: a number of seeds, counted from 0, or the seeds themselves: 5 and range(5) are the same.
    settings: what to change, by name, as {"tasks": 3, "stream.angle": 10}.
    data: where to look for MNIST and CIFAR-100 first; None: $BENCHMARK_DATA.
    device, jobs, threads, executor, address, slurm, executor_options, tensorboard: as the options of these names.
    measure: probes by name, as for --measure: ["continual:every=10"].
    verbose: print a line for each finished run, and show progress where there is a terminal.

    Returns a row for each run, with the columns of `load_results`, in the order of their paths.
    Raises InputError where something given is wrong, before anything is trained if it shows by then. At
    KeyboardInterrupt all processes end; finished runs are recorded, and the same call goes on from there.
    """
    with told_in_python():
        asked = Experiment(
            methods=inputs.methods(given.methods(methods)),
            streams=inputs.streams(given.streams(streams), PAPER_STREAMS),
            seeds=given.seeds(seeds),
            changes=inputs.with_network(given.settings(settings), network),
            results=given.path("results", results),
            data=None if data is None else given.path("data", data),
            device=inputs.one_of("--device", device, ("auto", "cpu", "cuda")),
            jobs=given.count("jobs", jobs),
            threads=given.count("threads", threads),
            executor=executor,
            options=inputs.executor_options(
                executor, None, address, [f"{name}={value}" for name, value in (slurm or {}).items()]
            )
            | {name: str(value) for name, value in (executor_options or {}).items()},
            force=force,
            measure=probes.asked(list(measure)),
        )
        board = None if tensorboard is None else given.path("tensorboard", tensorboard)
        return _done(asked, board, verbose)


@overload
def table(
    results: PathLike = ...,
    methods: Methods | None = ...,
    streams: Streams | None = ...,
    *,
    format: Literal["frame"] = ...,
    columns: Iterable[str] = ...,
) -> pd.DataFrame: ...
@overload
def table(
    results: PathLike = ...,
    methods: Methods | None = ...,
    streams: Streams | None = ...,
    *,
    format: Literal["markdown", "latex", "csv", "html", "json"],
    columns: Iterable[str] = ...,
) -> str: ...
def table(
    results: PathLike = "results",
    methods: Methods | None = None,
    streams: Streams | None = None,
    *,
    format: Literal["frame", "markdown", "latex", "csv", "html", "json"] = "frame",
    columns: Iterable[str] = (),
) -> pd.DataFrame | str:
    """Put the records below `results` together: accuracy and forgetting over seeds; see `python -m benchmark table`.

    methods, streams: which to show, named as for `run`; None: all that are recorded.
    format: "frame", a DataFrame with a row for each method, stream and variant (columns: see
      benchmark.tables.table.frame); or the text that the command prints in that format.
    columns: further metrics, as for --columns.

    Raises InputError for an unknown name or format, for a record that is not sound, and where there is no record.
    """
    from benchmark.tables.columns import named
    from benchmark.tables.table import FORMATS, frame, render

    with told_in_python():
        inputs.one_of("--format", format, ("frame", *FORMATS))
        place = given.path("results", results)
        chosen = inputs.records(place, given.methods(methods), given.streams(streams))
        metrics = named(list(columns))
        return frame(chosen, metrics) if format == "frame" else render(chosen, format, metrics=metrics)


def load_results(results: PathLike = "results") -> pd.DataFrame:
    with told_in_python():
        return frames.load_results(given.path("results", results))


load_results.__doc__ = frames.load_results.__doc__


def _done(asked: Experiment, board: Path | None, verbose: bool) -> pd.DataFrame:
    prepared = experiment.prepare(asked)
    if verbose:
        print(prepared.line, flush=True)
    import torch

    from benchmark.runs.progress import say

    def quiet(event: Event) -> None:
        pass

    threads = torch.get_num_threads()
    try:
        experiment.train(prepared, say if verbose else quiet, board, bars=verbose)
    finally:
        torch.set_num_threads(threads)  # the caller's own
    return frames.frame_of(asked.records())
