"""The command line. Exit codes: 0 done, 1 a check failed, 2 bad input, 130 interrupted.

Everything that loads PyTorch or pandas is imported inside the command that needs it, so that help is instant.
"""

import os
import shlex
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from benchmark import __version__, inputs
from benchmark.catalogue import PAPER_STREAMS, STREAMS
from benchmark.options import (
    FORMATS, Changes, Data, Document, FigureStem, Format, Jobs, Methods, Output, Results, Seeds, SingleSeeds, Streams,
)
from methods.catalogue import METHOD_ROWS
from methods.errors import InputError

COMMAND = "clbench" if Path(sys.argv[0]).stem == "clbench" else "python -m benchmark"

app = typer.Typer(
    help="Six continual-learning methods on three task streams, side by side: accuracy and forgetting.",
    epilog="Start with: [bold]python -m benchmark run --stream permuted-digits --seeds 2[/bold], "
           "then [bold]python -m benchmark table[/bold].",
    rich_markup_mode="rich", pretty_exceptions_enable=False,
    add_completion=COMMAND == "clbench",  # shells complete the words after a command, not after python -m
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"clbench-table2 {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True,
                                          help="Print the version and exit.")] = False,
) -> None:
    pass


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
    methods = inputs.names("--method", method, METHOD_ROWS, METHOD_ROWS)
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
    from methods.settings import settings_for

    try:  # a mistyped setting is told before PyTorch has loaded
        for method, stream in product(methods, streams):
            settings_for(method, stream, overrides)
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


@app.command(epilog=(
    "Examples:\n\n"
    "python -m benchmark table --format latex\n\n"
    "python -m benchmark table --output table2.csv --figure accuracy  [dim]# and accuracy.png, .svg[/dim]"
))
def table(
    results: Results = Path("results"),
    format: Format = None,
    method: Methods = None,
    stream: Streams = None,
    output: Output = None,
    insert: Document = None,
    figure: FigureStem = None,
) -> None:
    """Put the records together: accuracy and forgetting, mean ± sample standard deviation over seeds."""
    inputs.names("--method", method, METHOD_ROWS, ())
    inputs.names("--stream", stream, STREAMS, ())
    form = _format(format, output)
    from benchmark.records import load_all
    from benchmark.table import render

    chosen = [
        record for record in load_all(results)
        if (not method or record.method in method) and (not stream or record.stream in stream)
    ]
    if not chosen:
        raise InputError(f"--results: {results} holds no such records; make some: python -m benchmark run")
    _put(render(chosen, form), output)
    if insert:
        from benchmark.insertion import insert as put_into

        put_into(render(chosen), insert, "table")
    if figure:
        from benchmark.figure import curves

        print("figure:", *curves(chosen, figure))


def _format(format: str | None, output: Path | None) -> str:
    if format is not None:
        return inputs.one_of("--format", format, FORMATS)
    by_suffix = {suffix: name for name, suffix in FORMATS.items()}
    if output is None:
        return "markdown"
    if output.suffix not in by_suffix:
        known = ", ".join(by_suffix)
        raise InputError(f"--output: {output} ends in none of {known}; say which with --format")
    return by_suffix[output.suffix]


def _put(text: str, output: Path | None) -> None:
    if output is None:
        print(text)
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"--output: cannot write {output} ({error.strerror or error})") from None
    print("table:", output)


@app.command("list", epilog=(
    "Examples:\n\n"
    "python -m benchmark list\n\n"
    "python -m benchmark list --settings --method ewc --stream permuted-mnist"
))
def list_(
    settings: Annotated[bool, typer.Option(
        "--settings", help="Show every setting with its source; default streams: the paper's.")] = False,
    method: Methods = None,
    stream: Streams = None,
) -> None:
    """Show the methods and streams with their sources, or the settings of methods on streams."""
    methods = inputs.names("--method", method, METHOD_ROWS, METHOD_ROWS)
    streams = inputs.names("--stream", stream, STREAMS, PAPER_STREAMS)
    from benchmark import listing

    print(listing.settings(methods, streams) if settings or method or stream else listing.catalogue())


@app.command(epilog="Example:\n\npython -m benchmark data --data ~/datasets")
def data(data: Data = None) -> None:
    """Show where each data set is found, its digests, and where it comes from, with its licence."""
    from benchmark import listing
    from benchmark.data import describe

    print(listing.data(describe(data)))


@app.command(epilog="Example:\n\npython -m benchmark verify --results results")
def verify(
    results: Results = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Let notes fail too.")] = False,
) -> None:
    """Check every record: schema, digest, metrics, place, provenance. Exit code 1 if one is not sound."""
    from benchmark.verify import verify as check

    found = check(results)
    print(found.json() if as_json else found.text())
    raise typer.Exit(bool(found.unsound or (strict and found.notes)))


def main(arguments: Sequence[str]) -> int:
    """Run a command line; return the exit code. Whatever a person got wrong is one line on stderr and a 2."""
    try:
        code = app(list(arguments) or ["--help"], prog_name=COMMAND, standalone_mode=False)
        sys.stdout.flush()
        return code or 0
    except (TyperException, InputError) as error:
        message = error.format_message() if isinstance(error, TyperException) else str(error)
        line = " ".join(message.split()).replace("Input should", "it should")
        print("error:", line, file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `| head` has seen enough
        return 0
