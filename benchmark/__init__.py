"""Six continual-learning methods on three task streams: streams, training, records, table and figures.

This file stays free of heavy imports, so that the command line's help needs no PyTorch.
"""

__version__ = "0.1.0"
