"""The options that commands of the command line share."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli import inputs
from benchmark.networks.registry import NETWORKS
from benchmark.streams.kinds import STREAMS
from methods.catalogue import METHOD_ROWS

FORMATS = {"markdown": ".md", "latex": ".tex", "csv": ".csv", "html": ".html", "json": ".json"}


def _starting_with(known: Sequence[str]) -> Callable[[str], list[str]]:
    return lambda incomplete: [name for name in known if name.startswith(incomplete)]


def place(text: str | Path) -> Path:
    """The path that a person named, '~' expanded also where the shell did not, as in --results=~/x."""
    if not str(text).strip():  # as from an unset variable; it would mean the current directory
        raise typer.BadParameter("it is empty; name a path")
    path = os.path.expanduser(text)
    if path.startswith("~"):
        home = path.partition("/")[0]
        raise typer.BadParameter(f"there is no home directory '{home}'; write the path out, or ./{home}")
    return Path(path)


def stem(text: str | Path) -> Path:
    """The path that a person named files by, without their endings."""
    path = place(text)
    if path.name in ("", ".."):
        raise typer.BadParameter(f"'{text}' is a folder; name the files in it too, without an ending: accuracy")
    return path


Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        metavar="ID",
        help=f"{', '.join(METHOD_ROWS)}; or a method of your own: ./file.py, "
        "package.module:Class, the name of an installed one, or avalanche:NAME, a strategy of Avalanche; may be "
        "repeated; default all built-in ones.",
        autocompletion=_starting_with(list(METHOD_ROWS)),
    ),
]
Streams = Annotated[
    list[str] | None,
    typer.Option(
        "--stream",
        metavar="ID",
        help=f"{', '.join(STREAMS)}; or another: avalanche:NAME, a classic benchmark of "
        "Avalanche, or ./file.py with a function stream(seed, ...) that returns one; may be repeated.",
        autocompletion=_starting_with(list(STREAMS)),
    ),
]
Network = Annotated[
    str | None,
    typer.Option(
        "--network",
        metavar="ID",
        help=f"{', '.join(NETWORKS)}; or one of your own: ./file.py with a function network(shape, outputs) that "
        "returns a torch.nn.Module, ./file.py:function, or package.module:function; default the stream's own.",
        autocompletion=_starting_with(list(NETWORKS)),
    ),
]
Results = Annotated[
    Path,
    typer.Option(
        "--results",
        metavar="DIR",
        parser=place,
        envvar="BENCHMARK_RESULTS",
        help="Where the records are, a JSON file a run.",
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        parser=place,
        help="Where to look for MNIST and CIFAR-100 first; default: $BENCHMARK_DATA.",
    ),
]

Seeds = Annotated[
    int | None, typer.Option(min=1, max=inputs.MOST_SEEDS, metavar="N", help="Seeds 0 to N - 1; default 5.")
]
SingleSeeds = Annotated[
    list[int] | None,
    typer.Option(min=0, max=inputs.LAST_SEED, metavar="K", help="A single seed, in place of --seeds; may be repeated."),
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        help="Change a setting (see list --settings), or give an argument: stream.NAME=VALUE or network.NAME=VALUE to "
        "an external stream or network, optimizer.NAME=VALUE, schedule.NAME=VALUE; may be repeated.",
    ),
]
Measures = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME[:KEY=VALUE,...]",
        help="Measure the networks while they train, by a probe: a name (see list), or ./file.py; may be repeated. "
        "It changes no number of a run.",
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, max=1024, metavar="N", help="Processes at a time; default one a core, on a GPU one."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Board = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        parser=place,
        help="Also write accuracy and forgetting as scalars for TensorBoard, a folder a run.",
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        metavar="|".join(FORMATS),
        help="Default: what --output ends in, else markdown.",
        autocompletion=_starting_with(list(FORMATS)),
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME[,NAME]",
        help="Further columns: metrics by name (see list), or ./file.py with metrics of your own; may be repeated.",
    ),
]
Output = Annotated[
    Path | None, typer.Option(metavar="FILE", parser=place, help="Write the table to a file in place of printing it.")
]
Document = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        parser=place,
        help="Also put the Markdown table into FILE, between <!-- table --> and <!-- /table -->.",
    ),
]
FigureStem = Annotated[
    Path | None,
    typer.Option(
        metavar="STEM", parser=stem, help="Also draw the average accuracy as tasks go by: STEM.png, STEM.svg."
    ),
]
HeatmapStem = Annotated[
    Path | None,
    typer.Option(
        metavar="STEM", parser=stem, help="Also draw the accuracy matrices, a file a stream: STEM-<stream>.png, .svg."
    ),
]
