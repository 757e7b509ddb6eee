"""report: all results as one HTML page."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.app import app
from benchmark.cli.options import Results, place
from methods.errors import InputError

Page = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FILE.html",
        parser=place,
        help="File to write; default: report.html in the results directory.",
    ),
]


@app.command(epilog="Example:\n\npython -m benchmark report --results results --output report.html")
def report(results: Results = Path("results"), output: Page = None) -> None:
    """Write one self-contained HTML page: table, figures, times, settings, and the provenance of every run."""
    page = results / "report.html" if output is None else output
    if page.suffix != ".html":
        raise InputError(f"--output: '{output}' does not end in .html; name a file such as report.html")
    from benchmark.records.store import load_all
    from benchmark.report.page import write

    records = load_all(results)
    if not records:
        raise InputError(f"--results: {results} holds no records; make some: python -m benchmark run")
    write(records, page)
    print("report:", page)
