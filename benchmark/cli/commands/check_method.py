"""check-method: whether a method fulfils the suite's contract."""

from typing import Annotated

import typer

from benchmark.cli import inputs
from benchmark.cli.app import app
from benchmark.streams.names import AVALANCHE
from methods.errors import InputError


@app.command(
    "check-method",
    epilog=(
        "Examples:\n\n"
        "python -m benchmark check-method ./my_method.py\n\n"
        "python -m benchmark check-method package.module:Class"
    ),
)
def check_method(
    method: Annotated[
        str,
        typer.Argument(
            metavar="METHOD",
            help="As in run --method: ./file.py, package.module:Class, the name of an installed method, a built-in id.",
        ),
    ],
) -> None:
    """Try a method on a few handwritten digits and print one line for each requirement. Takes seconds.

    Exit code 1 if a requirement fails.
    """
    (spec,) = inputs.methods([method])
    if spec.startswith(AVALANCHE):
        raise InputError(
            f"METHOD: {spec} trains in Avalanche's own loop, which this command cannot check; "
            f"try it: python -m benchmark run --method {spec}"
        )
    from benchmark.training.conformance import findings
    from benchmark.training.external import method_named

    failed = 0
    for finding in findings(method_named(spec)):
        print(finding, flush=True)
        failed += finding.why is not None
    print(f"{failed} failed" if failed else "all hold")
    raise typer.Exit(1 if failed else 0)
