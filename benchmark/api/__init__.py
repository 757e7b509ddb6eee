"""The commands `run` and `table` as Python functions.

Wrong arguments raise methods.errors.InputError, a ValueError whose message is one line that says what to do.
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
    """Train methods on streams, record every run, and return the requested runs; see `python -m benchmark run`.

    A run that is already recorded below `results` is returned without training, unless `force` is set.

    methods: ids ("ewc"), files ("./mine.py"), "package.module:Class", "avalanche:NAME", or subclasses of Method that
      are defined in an importable file; None: all built-in methods.
    streams: ids, "avalanche:NAME" or files; None: the paper's three.
    network: an id ("mlp"), "./net.py", "./net.py:function" or "package.module:function"; None: each stream's own.
    seeds: the number of seeds, or the seeds themselves: 5 and range(5) are the same.
    settings: the settings to change, by name: {"tasks": 3, "stream.angle": 10}.
    data: the directory to search first for MNIST and CIFAR-100; None: $BENCHMARK_DATA.
    device, jobs, threads, executor, address, slurm, executor_options, tensorboard: like the options of these names.
    measure: probes by name, like --measure: ["continual:every=10"].
    verbose: print a line for each finished run, and show progress on a terminal.

    Returns a DataFrame with one row for each run, sorted by path, with the columns of `load_results`.
    Raises InputError for a wrong argument; most are found before training starts. KeyboardInterrupt ends all
    processes. Finished runs stay recorded, and the same call continues from there.
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
            options=_options(executor, address, slurm or {}, executor_options or {}),
            force=force,
            measure=probes.asked(list(measure)),
        )
        board = None if tensorboard is None else given.path("tensorboard", tensorboard)
        return _trained(asked, board, verbose)


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
    """Summarize the records below `results`: accuracy and forgetting over seeds; see `python -m benchmark table`.

    methods, streams: which to show, named as in `run`; None: all recorded ones.
    format: "frame" for a DataFrame with one row for each method, stream and variant (columns: see
      benchmark.tables.table.frame), or the format of the text that the command prints.
    columns: further metrics, like --columns.

    Raises InputError for an unknown name or format, for an unsound record, and if there are no such records.
    """
    from benchmark.tables.columns import named
    from benchmark.tables.table import FORMATS, frame, render

    with told_in_python():
        inputs.one_of("--format", format, ("frame", *FORMATS))
        folder = given.path("results", results)
        chosen = inputs.records(folder, given.methods(methods), given.streams(streams))
        metrics = named(list(columns))
        return frame(chosen, metrics) if format == "frame" else render(chosen, format, metrics=metrics)


def load_results(results: PathLike = "results") -> pd.DataFrame:
    with told_in_python():
        return frames.load_results(given.path("results", results))


load_results.__doc__ = frames.load_results.__doc__


def _options(
    executor: str, address: str | None, slurm: Mapping[str, str | int], options: Mapping[str, str | int]
) -> dict[str, str]:
    pairs = [f"{name}={value}" for name, value in slurm.items()]
    return inputs.executor_options(executor, None, address, pairs) | {name: str(v) for name, v in options.items()}


def _trained(asked: Experiment, board: Path | None, verbose: bool) -> pd.DataFrame:
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
        torch.set_num_threads(threads)  # leave the caller's setting as it was
    return frames.frame_of(asked.records())
