"""The command line. Exit codes: 0 done, 1 a check failed, 2 bad input, 130 interrupted."""

import sys
from collections.abc import Sequence

from typer.exceptions import TyperException

import benchmark.cli.commands  # noqa: F401  (adds them to the application)
from benchmark.cli.app import COMMAND, app
from benchmark.cli.output import Unwritable, say_wrong, silence
from benchmark.common.text import printable
from methods.errors import InputError


def main(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code. Bad input prints one line on stderr and returns 2."""
    try:
        code = app(list(arguments) or ["--help"], prog_name=COMMAND, standalone_mode=False)
        sys.stdout.flush()
        return code or 0
    except Unwritable as error:
        silence(sys.stdout)
        if error.closed:
            return 0
        say_wrong(f"cannot write to standard output ({error}); make room, or redirect it")
        return 2
    except (TyperException, InputError) as error:
        message = error.format_message() if isinstance(error, TyperException) else str(error)
        say_wrong(printable(" ".join(message.split())).replace("Input should", "it should"))
        return 2
