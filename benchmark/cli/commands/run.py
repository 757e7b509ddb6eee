"""run: train and record."""

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli import inputs
from benchmark.cli.app import app
from benchmark.cli.options import Board, Changes, Data, Jobs, Methods, Network, Results, Seeds, SingleSeeds, Streams
from benchmark.cli.output import Unwritable
from benchmark.common.text import printable
from benchmark.runs import executors
from benchmark.streams.kinds import PAPER_STREAMS
from benchmark.training import external
from methods.errors import InputError


@app.command(
    epilog=(
        "Examples:\n\n"
        "python -m benchmark run --method ewc  [dim]# EWC on the paper's three streams, seeds 0 to 4[/dim]\n\n"
        "python -m benchmark run --stream permuted-digits --seed 7 --set tasks=3 --set train_examples=100  "
        "[dim]# a try of seconds[/dim]\n\n"
        "python -m benchmark run --data ~/datasets --jobs 1 --method naive --stream permuted-mnist\n\n"
        "python -m benchmark run --stream permuted-digits --network ./net.py --set network.width=64\n\n"
        "python -m benchmark run --stream rotated-digits --tensorboard runs  [dim]# tensorboard --logdir runs[/dim]"
    )
)
def run(
    method: Methods = None,
    stream: Streams = None,
    network: Network = None,
    seeds: Seeds = None,
    seed: SingleSeeds = None,
    set: Changes = None,
    data: Data = None,
    results: Results = Path("results"),
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where to train.")] = "auto",
    jobs: Jobs = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1024,
            metavar="N",
            help="Threads of a process; they decide the last bits of a run; default cores / jobs.",
        ),
    ] = None,
    executor: Annotated[
        str, typer.Option(metavar="|".join(executors.EXECUTORS), help="What trains: this machine, Ray or Slurm.")
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT|auto",
            help="A Ray cluster that runs already; default $RAY_ADDRESS, else a Ray on this machine.",
        ),
    ] = None,
    slurm: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="A parameter of the Slurm jobs: time=MINUTES, partition, mem and so on; may be repeated.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run also what is recorded already.")] = False,
    tensorboard: Board = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a line of JSON a finished run, and all else on standard error.")
    ] = False,
) -> None:
    """Train methods on streams and record every run; what is recorded already is not run again.

    Without --stream: the paper's three streams, permuted-mnist, rotated-mnist and split-cifar100.
    """
    methods = inputs.methods(method)
    streams = inputs.streams(stream, PAPER_STREAMS)
    numbers, changes = inputs.seeds(seeds, seed), inputs.changes(set, network)
    inputs.one_of("--device", device, ("auto", "cpu", "cuda"))
    inputs.one_of("--executor", executor, executors.EXECUTORS)
    parameters = inputs.pairs("--slurm", slurm, "partition=cpu")
    executors.check(executor, address, parameters)
    aside = sys.stderr if as_json else sys.stdout
    try:
        units, where, trainer = _plan(
            (methods, streams, numbers, changes),
            results,
            data,
            device,
            jobs,
            threads,
            force,
            (executor, jobs, address, parameters),
            aside,
        )
        _train(trainer, units, where, as_json, tensorboard)
    except KeyboardInterrupt:
        print("interrupted: finished runs are recorded; the same command goes on from there", file=sys.stderr)
        raise typer.Exit(130) from None
    except Unwritable as error:
        raise InputError(
            f"cannot write to standard output ({error}); finished runs are recorded: the same command goes on"
        ) from None
    again = "" if results == Path("results") else f" --results {shlex.quote(str(results))}"
    print(printable(f"records are in {results}; see the table: python -m benchmark table{again}"), file=aside)


def _plan(cells, results, data, device, jobs, threads, force, executor, aside):
    """What is to do, where, and what trains it; says so on `aside`."""
    methods, streams, seeds, overrides = cells
    for method in methods:
        external.id_of(method)  # one from elsewhere is loaded, or refused, before its settings are read
    try:  # a mistyped setting is told before PyTorch has loaded
        for method, stream in product(methods, streams):
            external.settings_of(method, stream, overrides)
    except InputError as error:
        raise InputError(f"--set: {error}") from None
    from benchmark.runs import plan, work
    from benchmark.runs.executors.base import Where, check_writable, threads_of

    trainer = executors.named(*executor)
    elsewhere = executor[0] != "local" and device == "cuda"  # this machine needs no GPU then
    place = device if elsewhere else work.device_named(device)
    units = plan.plan(methods, streams, seeds, overrides, results, data, place, force)
    if units:
        check_writable(results)
    where = Where(results, data, place, threads or threads_of(units, place, jobs))
    runs, missing = len(methods) * len(streams) * len(seeds), sum(len(unit.seeds) for unit in units)
    todo = f"{missing} to do on {place}, {trainer.manner(units, where)}" if units else "none to do"
    print(
        f"{len(methods) * len(streams)} cells of {len(seeds)} seeds: {runs} runs, "
        f"{runs - missing} recorded already, {todo}",
        file=aside,
        flush=True,
    )
    return units, where, trainer


def _train(trainer, units, where, as_json: bool, board: Path | None) -> None:
    from benchmark.runs.executors.base import run as train

    with _watching(as_json, board, where.results) as watch:
        if units:
            train(trainer, units, where, watch)


@contextmanager
def _watching(as_json: bool, folder: Path | None, results: Path) -> Iterator[Callable]:
    """What is to be shown the events: standard output, and a log directory for TensorBoard if one is named."""
    from benchmark.runs.progress import say, say_json

    speak = say_json if as_json else say
    if folder is None:
        yield speak
        return
    from benchmark.runs.tensorboard import Board  # loads tensorboard

    with Board(folder, results) as board:
        yield lambda event: (speak(event), board.watch(event))
