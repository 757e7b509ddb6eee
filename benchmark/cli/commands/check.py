"""check: whether metrics and tables still have their reference values."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli import inputs
from benchmark.cli.app import app
from benchmark.cli.options import Changes, Data, Jobs, Results
from benchmark.streams.kinds import STREAMS
from methods.errors import InputError


@app.command(
    epilog=(
        "Examples:\n\n"
        "python -m benchmark check\n\n"
        "python -m benchmark check --accept  [dim]# the changes are intended: make them the reference[/dim]\n\n"
        "python -m benchmark check --method ewc --stream permuted-mnist --seed 0  [dim]# repeat this run[/dim]\n\n"
        "python -m benchmark check --sample 5 --results theirs  [dim]# repeat five runs of a random draw[/dim]"
    )
)
def check(
    results: Results = Path("results"),
    data: Data = None,
    jobs: Jobs = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Replace the reference values and print what changed.")
    ] = False,
    method: Annotated[str | None, typer.Option(metavar="ID", help="Method of the recorded run to repeat.")] = None,
    stream: Annotated[str | None, typer.Option(metavar="ID", help="Stream of the recorded run to repeat.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=inputs.LAST_SEED, metavar="K", help="Seed of the recorded run to repeat.")
    ] = None,
    set: Changes = None,
    sample: Annotated[int | None, typer.Option(min=1, metavar="N", help="Train N recorded runs again.")] = None,
    sample_seed: Annotated[int, typer.Option(min=0, metavar="K", help="Of the draw of --sample.")] = 0,
) -> None:
    """Retrain small cells and rebuild the committed tables; compare both with the references. Exit code 1 on a change.

    With --method, --stream and --seed: train that recorded run again and compare it with its record. With --sample N:
    the same for N records of built-in methods on the suite's streams, drawn at random.
    """
    single, changes = _single(method, stream, seed), inputs.changes(set)
    if single is None and changes:
        raise InputError("--set: it changes the settings of one run; add --method, --stream and --seed")
    if single is not None and accept:
        raise InputError("--accept: it replaces all references; leave out --method, --stream and --seed")
    if sample is not None and (single is not None or accept):
        raise InputError("--sample: it draws the runs itself; leave out --method, --stream, --seed and --accept")
    try:
        if sample is not None:
            agrees = _sample(results, sample, sample_seed, data)
        elif single is not None:
            from benchmark.studies.checks.rerun import rerun

            agrees, line = rerun(*single, changes, results, data)
            print(line)
        else:
            agrees = _accept(results, data, jobs) if accept else _check(results, data, jobs)
    except KeyboardInterrupt:
        print("interrupted: nothing was changed", file=sys.stderr)
        raise typer.Exit(130) from None
    raise typer.Exit(not agrees)


def _single(method: str | None, stream: str | None, seed: int | None) -> tuple[str, str, int] | None:
    if method is None and stream is None and seed is None:
        return None
    if method is None or stream is None or seed is None:
        raise InputError("--method, --stream and --seed name one recorded run: give all three, or none")
    inputs.one_of("--stream", stream, STREAMS)
    return inputs.methods([method])[0], stream, seed


def _sample(results: Path, count: int, draw: int, data: Path | None) -> bool:
    from benchmark.studies.checks.rerun import sample

    agree = []
    for agrees, line in sample(results, count, draw, data):
        print(line, flush=True)
        agree.append(agrees)
    print(f"{sum(agree)} of {len(agree)} records agree, drawn at random with --sample-seed {draw}")
    return all(agree)


def _check(results: Path, data: Path | None, jobs: int | None) -> bool:
    from benchmark.studies.checks import bands, cells, tables

    made = tables.recompute(results)
    reference = bands.load(results)
    if reference is None:
        raise InputError(f"--results: {results} has no {bands.FILE}; make it: python -m benchmark check --accept")
    probes = cells.at_hand(data)
    comparisons = list(bands.compare(probes, cells.measure(probes, 0, data, jobs), reference))
    moved = [f"moved: {line}" for line in bands.moved(comparisons)]
    for line in made.lines + moved:
        print(line)
    absent = "" if len(probes) == len(cells.PROBES) else " (MNIST was not found)"
    print(
        f"{len({comparison.cell for comparison in comparisons})} cells{absent}, {len(moved)} moved, the largest "
        f"difference {max(comparison.share for comparison in comparisons):.2f} of its band; "
        f"{made.records} sound records, {made.tables} tables rebuilt, {len(made.lines)} wrong"
    )
    return not (made.lines or moved)


def _accept(results: Path, data: Path | None, jobs: int | None) -> bool:
    from benchmark.studies.checks import bands, cells

    before, probes = bands.load(results), cells.at_hand(data)
    blocks = [cells.measure(probes, block, data, jobs) for block in range(bands.BLOCKS)]
    reference = bands.compose(probes, blocks, before)
    for line in bands.changes(before, reference):
        print(line)
    print("references:", bands.save(results, reference))
    return True
