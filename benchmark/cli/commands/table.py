"""table: accuracy and forgetting over seeds."""

from pathlib import Path

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
from methods.errors import InputError


@app.command(
    epilog=(
        "Examples:\n\n"
        "python -m benchmark table --format latex\n\n"
        "python -m benchmark table --output table2.csv --figure accuracy  [dim]# also accuracy.png, .svg[/dim]\n\n"
        "python -m benchmark table --columns average_anytime_accuracy,min_accuracy  [dim]# names: see list[/dim]\n\n"
        "python -m benchmark table --heatmaps forgetting  [dim]# also forgetting-<stream>.png, .svg[/dim]"
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
    """Summarize the records: accuracy and forgetting, mean ± sample standard deviation over seeds."""
    form = _format(format, output)
    from benchmark.tables.columns import named
    from benchmark.tables.table import render

    metrics = named([name.strip() for each in columns or () for name in each.split(",")])
    chosen = inputs.records(results, method, stream)
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


def _format(format: str | None, output: Path | None) -> str:
    if format is not None:
        return inputs.one_of("--format", format, FORMATS)
    by_suffix = {suffix: name for name, suffix in FORMATS.items()}
    if output is None:
        return "markdown"
    if output.suffix not in by_suffix:
        known = " or ".join(by_suffix)
        raise InputError(f"--output: {output} does not end in {known}; name the format with --format")
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
