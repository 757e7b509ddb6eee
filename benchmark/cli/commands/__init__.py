"""The commands, one in each file. Importing this package registers them with the application.

A command imports PyTorch and pandas inside its function, so that help is instant.
"""

from benchmark.cli.commands import (  # noqa: F401, I001  (in the order of the help)
    run,
    table,
    report,
    list_,
    data,
    check,
    verify,
    tune,
    new_method,
    check_method,
    check_network,
    check_stream,
)
