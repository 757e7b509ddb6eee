"""data: the data sets on this machine."""

import json

from benchmark.cli.app import app
from benchmark.cli.options import Data, Json


@app.command(epilog="Example:\n\npython -m benchmark data --data ~/datasets")
def data(data: Data = None, as_json: Json = False) -> None:
    """Show the place, the digests, the source and the licence of each data set."""
    from benchmark.cli import listing
    from benchmark.streams.datasets import describe

    rows = describe(data)
    print(json.dumps(rows, indent=1) if as_json else listing.data(rows))
