"""data: where the data sets are."""

from benchmark.app import app
from benchmark.options import Data


@app.command(epilog="Example:\n\npython -m benchmark data --data ~/datasets")
def data(data: Data = None) -> None:
    """Show where each data set is found, its digests, and where it comes from, with its licence."""
    from benchmark import listing
    from benchmark.data import describe

    print(listing.data(describe(data)))
