"""report: everything the records say, as a page."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.app import app
from benchmark.options import Results
from methods.errors import InputError

Page = Annotated[Path, typer.Option("--output", metavar="FILE", help="The HTML file to write.")]


@app.command(epilog="Example:\n\npython -m benchmark report --results results --output report.html")
def report(results: Results = Path("results"), output: Page = Path("results/report.html")) -> None:
    """Write one HTML file, whole in itself: table, figures, times, settings with sources, provenance of each run."""
    from benchmark.records import load_all
    from benchmark.report.page import write

    records = load_all(results)
    if not records:
        raise InputError(f"--results: {results} holds no records; make some: python -m benchmark run")
    write(records, output)
    print("report:", output)
