"""run: train and record."""

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Annotated

import typer

from benchmark import inputs, plugins
from benchmark.app import app
from benchmark.catalogue import PAPER_STREAMS
from benchmark.options import Board, Changes, Data, Jobs, Json, Methods, Results, Seeds, SingleSeeds, Streams
from benchmark.output import Unwritable
from benchmark.printable import printable
from methods.errors import InputError


@app.command(epilog=(
    "Examples:\n\n"
    "python -m benchmark run --method ewc  [dim]# EWC on the paper's three streams, seeds 0 to 4[/dim]\n\n"
    "python -m benchmark run --stream permuted-digits --seed 7 --set tasks=3 --set train_examples=100  "
    "[dim]# a try of seconds[/dim]\n\n"
    "python -m benchmark run --data ~/datasets --jobs 1 --method naive --stream permuted-mnist\n\n"
    "python -m benchmark run --stream rotated-digits --tensorboard runs  [dim]# tensorboard --logdir runs[/dim]"
))
def run(
    method: Methods = None,
    stream: Streams = None,
    seeds: Seeds = None,
    seed: SingleSeeds = None,
    set: Changes = None,
    data: Data = None,
    results: Results = Path("results"),
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where to train.")] = "auto",
    jobs: Jobs = None,
    force: Annotated[bool, typer.Option("--force", help="Run also what is recorded already.")] = False,
    tensorboard: Board = None,
    as_json: Annotated[bool, typer.Option(
        "--json", help="Print a line of JSON a finished run, and all else on standard error.")] = False,
) -> None:
    """Train methods on streams and record every run; what is recorded already is not run again.

    Without --stream: the paper's three streams, permuted-mnist, rotated-mnist and split-cifar100.
    """
    methods = inputs.methods(method)
    streams = inputs.streams(stream, PAPER_STREAMS)
    numbers, changes = inputs.seeds(seeds, seed), inputs.overrides(set)
    inputs.one_of("--device", device, ("auto", "cpu", "cuda"))
    aside = sys.stderr if as_json else sys.stdout
    try:
        _run(methods, streams, numbers, changes, results, data, device, jobs, force, tensorboard, as_json, aside)
    except KeyboardInterrupt:
        print("interrupted: finished runs are recorded; the same command goes on from there", file=sys.stderr)
        raise typer.Exit(130) from None
    except Unwritable as error:
        raise InputError(
            f"cannot write to standard output ({error}); finished runs are recorded: the same command goes on"
        ) from None
    again = "" if results == Path("results") else f" --results {shlex.quote(str(results))}"
    print(printable(f"records are in {results}; see the table: python -m benchmark table{again}"), file=aside)


def _run(
    methods, streams, seeds, overrides, results, data, device, jobs, force, tensorboard, as_json, aside
) -> None:
    for method in methods:
        plugins.id_of(method)  # one from elsewhere is loaded, or refused, before its settings are read
    try:  # a mistyped setting is told before PyTorch has loaded
        for method, stream in product(methods, streams):
            plugins.settings_of(method, stream, overrides)
    except InputError as error:
        raise InputError(f"--set: {error}") from None
    from benchmark import runner, workers

    place = runner.device_named(device)
    units = runner.plan(methods, streams, seeds, overrides, results, data, place, force)
    if units:
        workers.check_writable(results)
    runs, missing = len(methods) * len(streams) * len(seeds), sum(len(unit.seeds) for unit in units)
    at_a_time = workers.workers(units, place, jobs)
    todo = f"{missing} to do on {place}, {at_a_time} at a time" if units else "none to do"
    print(f"{len(methods) * len(streams)} cells of {len(seeds)} seeds: {runs} runs, "
          f"{runs - missing} recorded already, {todo}", file=aside, flush=True)
    with _watching(as_json, tensorboard, results) as watch:
        if units:
            workers.run(units, results, data, place, jobs, watch)


@contextmanager
def _watching(as_json: bool, folder: Path | None, results: Path) -> Iterator[Callable]:
    """What is to be shown the events: standard output, and a log directory for TensorBoard if one is named."""
    from benchmark.progress import say, say_json

    speak = say_json if as_json else say
    if folder is None:
        yield speak
        return
    from benchmark.tensorboard import Board  # loads tensorboard

    with Board(folder, results) as board:
        yield lambda event: (speak(event), board.watch(event))
