"""list: what there is to run."""

from typing import Annotated

import typer

from benchmark import inputs
from benchmark.app import app
from benchmark.catalogue import PAPER_STREAMS, STREAMS
from benchmark.options import Json, Methods, Streams


@app.command("list", epilog=(
    "Examples:\n\n"
    "python -m benchmark list\n\n"
    "python -m benchmark list --settings --method ewc --stream permuted-mnist"
))
def list_(
    settings: Annotated[bool, typer.Option(
        "--settings", help="Show every setting with its source; default streams: the paper's.")] = False,
    method: Methods = None,
    stream: Streams = None,
    as_json: Json = False,
) -> None:
    """Show the methods and streams with their sources, or the settings of methods on streams."""
    methods = inputs.methods(method)
    streams = inputs.names("--stream", stream, STREAMS, PAPER_STREAMS)
    from benchmark import listing

    if settings or method or stream:
        print(listing.settings_json(methods, streams) if as_json else listing.settings(methods, streams))
    else:
        print(listing.catalogue_json() if as_json else listing.catalogue())
