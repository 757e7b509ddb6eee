"""run: train and record."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, TextIO

import typer

from benchmark.cli import inputs
from benchmark.cli.app import app
from benchmark.cli.options import (
    Board,
    Changes,
    Data,
    Jobs,
    Measures,
    Methods,
    Network,
    Results,
    Seeds,
    SingleSeeds,
    Streams,
)
from benchmark.cli.output import Unwritable
from benchmark.common.text import printable
from benchmark.runs import executors
from benchmark.runs.experiment import Experiment, prepare, train
from benchmark.streams.kinds import PAPER_STREAMS
from benchmark.training import probes
from methods.errors import InputError


@app.command(
    epilog=(
        "Examples:\n\n"
        "python -m benchmark run --method ewc  [dim]# EWC on the paper's three streams, seeds 0 to 4[/dim]\n\n"
        "python -m benchmark run --stream permuted-digits --seed 7 --set tasks=3 --set train_examples=100  "
        "[dim]# a try of seconds[/dim]\n\n"
        "python -m benchmark run --data ~/datasets --jobs 1 --method naive --stream permuted-mnist\n\n"
        "python -m benchmark run --stream permuted-digits --network ./net.py --set network.width=64\n\n"
        "python -m benchmark run --stream rotated-digits --measure continual:every=5  "
        "[dim]# the stability gap: table --columns stability_gap[/dim]\n\n"
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
        str,
        typer.Option(
            metavar="|".join(executors.EXECUTORS),
            help="What trains: this machine, Ray or Slurm; or an executor of your own: ./file.py, "
            "package.module:Class, or the name of an installed one.",
        ),
    ] = "local",
    executor_option: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="An option of the executor; may be repeated.")
    ] = None,
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
    measure: Measures = None,
    force: Annotated[bool, typer.Option("--force", help="Run also what is recorded already.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be run, with estimates of time and memory, and stop.")
    ] = False,
    tensorboard: Board = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a line of JSON a finished run, and all else on standard error; with --dry-run one object.",
        ),
    ] = False,
) -> None:
    """Train methods on streams and record every run; what is recorded already is not run again.

    Without --stream: the paper's three streams, permuted-mnist, rotated-mnist and split-cifar100.
    """
    inputs.one_of("--device", device, ("auto", "cpu", "cuda"))
    experiment = Experiment(
        methods=inputs.methods(method),
        streams=inputs.streams(stream, PAPER_STREAMS),
        seeds=inputs.seeds(seeds, seed),
        changes=inputs.changes(set, network),
        results=results,
        data=data,
        device=device,
        jobs=jobs,
        threads=threads,
        executor=executor,
        options=inputs.executor_options(executor, executor_option, address, slurm),
        force=force,
        measure=probes.asked(measure or ()),
    )
    if dry_run:
        _preview(experiment, as_json)
        return
    aside = sys.stderr if as_json else sys.stdout
    try:
        _train(experiment, as_json, tensorboard, aside)
    except KeyboardInterrupt:
        print("interrupted: finished runs are recorded; the same command goes on from there", file=sys.stderr)
        raise typer.Exit(130) from None
    except Unwritable as error:
        raise InputError(
            f"cannot write to standard output ({error}); finished runs are recorded: the same command goes on"
        ) from None
    again = "" if results == Path("results") else f" --results {shlex.quote(str(results))}"
    print(printable(f"records are in {results}; see the table: python -m benchmark table{again}"), file=aside)


def _train(experiment: Experiment, as_json: bool, board: Path | None, aside: TextIO) -> None:
    prepared = prepare(experiment)
    print(prepared.line, file=aside, flush=True)
    from benchmark.runs.progress import say, say_json

    train(prepared, say_json if as_json else say, board)


def _preview(experiment: Experiment, as_json: bool) -> None:
    from benchmark.cli.preview import as_json as json_object
    from benchmark.cli.preview import text
    from benchmark.runs.preview import preview

    found = preview(experiment)
    print(json_object(found) if as_json else text(found))
