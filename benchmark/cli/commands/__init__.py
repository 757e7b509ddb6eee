"""The commands, one a file; importing this package adds them to the application.

Whatever loads PyTorch or pandas is imported inside the command that needs it, so that help is instant.
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
