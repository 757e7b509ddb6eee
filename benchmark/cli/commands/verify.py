"""verify: check the records."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.app import app
from benchmark.cli.options import Json, Results


@app.command(epilog="Example:\n\npython -m benchmark verify --results results")
def verify(
    results: Results = Path("results"),
    as_json: Json = False,
    strict: Annotated[bool, typer.Option("--strict", help="Also fail on notes.")] = False,
) -> None:
    """Check every record: schema, digest, metrics, path, provenance. Exit code 1 if a record is not sound."""
    from benchmark.records.verify import verify as check

    found = check(results)
    print(found.json() if as_json else found.text())
    raise typer.Exit(bool(found.unsound or (strict and found.notes)))
