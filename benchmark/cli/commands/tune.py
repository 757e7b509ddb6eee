"""tune: search the paper's grid."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli import inputs
from benchmark.cli.app import app
from benchmark.cli.options import Data, Jobs, Results, place
from benchmark.streams.kinds import PAPER_STREAMS
from methods.catalogue import METHOD_ROWS

Paper = Annotated[
    list[str] | None,
    typer.Option("--stream", metavar="ID", help=f"{', '.join(PAPER_STREAMS)}; may be repeated; default: all."),
]
Row = Annotated[
    list[str] | None,
    typer.Option("--method", metavar="ID", help=f"{', '.join(METHOD_ROWS)}; may be repeated; default: all."),
]
Report = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        parser=place,
        help="Also insert the tables into FILE, each between <!-- search STREAM --> marks.",
    ),
]


@app.command(
    epilog=(
        "Examples:\n\n"
        "python -m benchmark tune --stream permuted-mnist\n\n"
        "python -m benchmark tune --insert docs/reproduction.md  [dim]# all trials that are not recorded yet[/dim]"
    )
)
def tune(
    method: Row = None,
    stream: Paper = None,
    results: Results = Path("results"),
    data: Data = None,
    jobs: Jobs = None,
    insert: Report = None,
) -> None:
    """Search the paper's grid for settings that the paper does not state, with equally many trials for each method.

    The search uses seeds that the table does not report. Records go to RESULTS/search; recorded trials are skipped.
    The rule is in benchmark/studies/paper_grid.py.
    """
    methods = inputs.names("--method", method, METHOD_ROWS, METHOD_ROWS)
    streams = inputs.names("--stream", stream, PAPER_STREAMS, PAPER_STREAMS)
    from benchmark.studies import trials

    try:
        trials.run(methods, streams, results, data, jobs)
    except KeyboardInterrupt:
        print("interrupted: finished trials are recorded; the same command continues from there", file=sys.stderr)
        raise typer.Exit(130) from None
    shown = {name: trials.text(methods, name, results) for name in streams}
    print("\n\n".join(f"**{name}**\n\n{text}" for name, text in shown.items()))
    if insert:
        from benchmark.common.files import insert as put_into

        for name in streams:  # all methods, not only those run now: the table replaces the whole previous one
            put_into(trials.text(list(METHOD_ROWS), name, results), insert, f"search {name}")
