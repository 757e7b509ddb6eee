"""table: put the records together."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli import inputs
from benchmark.cli.app import app
from benchmark.cli.options import (
    FORMATS,
    Columns,
    Document,
    FigureStem,
    Format,
    HeatmapStem,
    Methods,
    Output,
    Results,
    Streams,
)
from benchmark.common import files
from benchmark.streams.kinds import STREAMS
from benchmark.streams.names import stream_id
from benchmark.training.external import id_of, is_code
from methods.catalogue import METHOD_ROWS
from methods.errors import InputError

if TYPE_CHECKING:
    from benchmark.records.schema import Record


@app.command(
    epilog=(
        "Examples:\n\n"
        "python -m benchmark table --format latex\n\n"
        "python -m benchmark table --output table2.csv --figure accuracy  [dim]# and accuracy.png, .svg[/dim]\n\n"
        "python -m benchmark table --columns average_anytime_accuracy,min_accuracy  [dim]# list shows them[/dim]\n\n"
        "python -m benchmark table --heatmaps forgetting  [dim]# and forgetting-<stream>.png, .svg[/dim]"
    )
)
def table(
    results: Results = Path("results"),
    format: Format = None,
    method: Methods = None,
    stream: Streams = None,
    output: Output = None,
    insert: Document = None,
    figure: FigureStem = None,
    heatmaps: HeatmapStem = None,
    columns: Columns = None,
) -> None:
    """Put the records together: accuracy and forgetting, mean ± sample standard deviation over seeds."""
    form = _format(format, output)
    from benchmark.records.store import load_all
    from benchmark.tables.columns import named
    from benchmark.tables.table import render

    metrics = named([name.strip() for each in columns or () for name in each.split(",")])

    chosen = _chosen(load_all(results), method, stream)
    if not chosen:
        raise InputError(f"--results: {results} holds no such records; make some: python -m benchmark run")
    _put(render(chosen, form, metrics=metrics), output)
    if insert:
        from benchmark.common.files import insert as put_into

        put_into(render(chosen, metrics=metrics), insert, "table")
    if figure:
        from benchmark.tables.curves import curves

        print("figure:", *curves(chosen, figure))
    if heatmaps:
        from benchmark.tables.heatmap import heatmaps as draw

        print("heat maps:", *draw(chosen, heatmaps))


def _chosen(
    everything: Sequence["Record"], method: Sequence[str] | None, stream: Sequence[str] | None
) -> list["Record"]:
    """The records of these methods and streams; of all where none is named."""
    known = dict.fromkeys([*METHOD_ROWS, *sorted({r.method for r in everything})])
    method = [id_of(name) if name not in known and is_code(name) else name for name in method or ()]
    inputs.names("--method", method, known, ())
    stream = [stream_id(name) for name in stream or ()]
    inputs.names("--stream", stream, dict.fromkeys([*STREAMS, *sorted({r.stream for r in everything})]), ())
    return [
        record
        for record in everything
        if (not method or record.method in method) and (not stream or record.stream in stream)
    ]


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
        files.write(output, f"{text}\n".encode())
    except InputError as error:
        raise InputError(f"--output: {error}") from None
    print("table:", output)
