"""list: what there is to run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli import inputs
from benchmark.cli.app import app
from benchmark.cli.options import Changes, Data, Json, Methods, Streams
from benchmark.streams.kinds import PAPER_STREAMS, StreamKind
from benchmark.streams.names import from_elsewhere
from methods.catalogue import METHOD_ROWS


@app.command(
    "list",
    epilog=(
        "Examples:\n\n"
        "python -m benchmark list\n\n"
        "python -m benchmark list --settings --method ewc --stream permuted-mnist\n\n"
        "python -m benchmark list --method ewc --stream avalanche:SplitMNIST --set stream.n_experiences=5"
    ),
)
def list_(
    settings: Annotated[
        bool, typer.Option("--settings", help="Show every setting with its source; default streams: the paper's.")
    ] = False,
    method: Methods = None,
    stream: Streams = None,
    set: Changes = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show the methods, networks and streams with their sources, or the settings of methods on streams."""
    methods = inputs.methods(method)
    streams, changes = inputs.streams(stream, PAPER_STREAMS), inputs.changes(set)
    from benchmark.cli import listing

    if not (settings or method or stream or set):
        print(listing.catalogue_json() if as_json else listing.catalogue())
        return
    kinds, changed = _recognised([name for name in streams if from_elsewhere(name)], changes, data)
    cells = {name: changed.get(name, changes) for name in streams}
    if as_json:
        print(listing.settings_json(methods, cells))
    else:
        said = [listing.external_method(spec) for spec in methods if spec not in METHOD_ROWS]
        print("\n\n".join(filter(None, [*map(listing.stream, kinds), *said, listing.settings(methods, cells)])))


def _recognised(
    streams: Sequence[str], changes: Mapping[str, str], data: Path | None
) -> tuple[list[StreamKind], dict[str, Mapping[str, object]]]:
    """What streams from elsewhere were recognised as, and the changed settings on each, its number of tasks too."""
    if not streams:
        return [], {}
    from benchmark.streams.outline import kind_named, whole  # loads PyTorch

    complete = {name: whole(name, 0, changes, data) for name in streams}
    return [kind_named(name, 0, complete[name], data) for name in streams], complete
