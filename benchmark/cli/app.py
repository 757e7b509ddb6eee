"""The Typer application. The modules of benchmark/cli/commands register their commands with it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmark import __version__

COMMAND = "clbench" if Path(sys.argv[0]).stem == "clbench" else "python -m benchmark"

app = typer.Typer(
    help="Compare continual-learning methods on task streams: accuracy and forgetting over seeds.",
    epilog="Start with: [bold]python -m benchmark run --stream permuted-digits --seeds 2[/bold], "
    "then [bold]python -m benchmark table[/bold].",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=COMMAND == "clbench",  # a shell completes the arguments of a command, not of python -m
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"clbench-table2 {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass
