"""run: train and record."""

import shlex
import sys
from itertools import product
from pathlib import Path
from typing import Annotated

import typer

from benchmark import inputs, plugins
from benchmark.app import app
from benchmark.catalogue import PAPER_STREAMS, STREAMS
from benchmark.options import Changes, Data, Jobs, Methods, Results, Seeds, SingleSeeds, Streams
from methods.errors import InputError


@app.command(epilog=(
    "Examples:\n\n"
    "python -m benchmark run --method ewc  [dim]# EWC on the paper's three streams, seeds 0 to 4[/dim]\n\n"
    "python -m benchmark run --stream permuted-digits --seed 7 --set tasks=3 --set train_examples=100  "
    "[dim]# a try of seconds[/dim]\n\n"
    "python -m benchmark run --data ~/datasets --jobs 1 --method naive --stream permuted-mnist"
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
) -> None:
    """Train methods on streams and record every run; what is recorded already is not run again.

    Without --stream: the paper's three streams, permuted-mnist, rotated-mnist and split-cifar100.
    """
    methods = inputs.methods(method)
    streams = inputs.names("--stream", stream, STREAMS, PAPER_STREAMS)
    numbers, changes = inputs.seeds(seeds, seed), inputs.overrides(set)
    inputs.one_of("--device", device, ("auto", "cpu", "cuda"))
    try:
        _run(methods, streams, numbers, changes, results, data, device, jobs, force)
    except KeyboardInterrupt:
        print("interrupted: finished runs are recorded; the same command goes on from there", file=sys.stderr)
        raise typer.Exit(130) from None
    again = "" if results == Path("results") else f" --results {shlex.quote(str(results))}"
    print(f"records are in {results}; see the table: python -m benchmark table{again}")


def _run(methods, streams, seeds, overrides, results, data, device, jobs, force) -> None:
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
          f"{runs - missing} recorded already, {todo}", flush=True)
    if units:
        workers.run(units, results, data, place, jobs)
