"""check-stream: whether an external stream fulfils the suite's contract."""

from typing import Annotated

import typer

from benchmark.cli import inputs
from benchmark.cli.app import app
from benchmark.cli.options import Changes, Data
from benchmark.streams.names import ARGUMENT, canonical, from_elsewhere
from methods.errors import InputError


@app.command(
    "check-stream",
    epilog=(
        "Examples:\n\n"
        "python -m benchmark check-stream ./my_stream.py --set stream.n_experiences=3\n\n"
        "python -m benchmark check-stream avalanche:SplitMNIST --set stream.n_experiences=5"
    ),
)
def check_stream(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="As in run --stream: ./file.py, or avalanche:NAME.")],
    set: Changes = None,
    data: Data = None,
) -> None:
    """Check a stream and print one line for each problem, with its task, its count and its remedy.

    Exit code 1 if there are errors. Warnings do not prevent a run.
    """
    name, changes = canonical(stream), inputs.pairs("--set", set, "stream.n_experiences=5")
    if not from_elsewhere(name):
        raise InputError(
            f"STREAM: '{stream}' is not an external stream; name a file such as ./my_stream.py, or avalanche:NAME"
        )
    other = next((key for key in changes if not key.startswith(ARGUMENT)), None)
    if other is not None:
        raise InputError(f"--set: '{other}' is not an argument of the stream; give --set stream.NAME=VALUE")
    from benchmark.streams.conformance import ERROR, WARNING, findings
    from benchmark.streams.outline import source_of

    kinds = []
    for finding in findings(source_of(name, 0, changes, data)):
        print(finding, flush=True)
        kinds.append(finding.kind)
    errors, warnings = kinds.count(ERROR), kinds.count(WARNING)
    said = ", ".join(
        f"{count} {word}{'s' * (count > 1)}" for count, word in ((errors, ERROR), (warnings, WARNING)) if count
    )
    print(said if errors else f"all hold{', ' if said else ''}{said}")
    raise typer.Exit(1 if errors else 0)
