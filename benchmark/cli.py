"""The command line. Exit codes: 0 done, 1 a check failed, 2 bad input, 130 interrupted."""

import os
import sys
from collections.abc import Sequence

from typer.exceptions import TyperException

import benchmark.commands  # noqa: F401  (adds them to the application)
from benchmark.app import COMMAND, app
from methods.errors import InputError


def main(arguments: Sequence[str]) -> int:
    """Run a command line; return the exit code. Whatever a person got wrong is one line on stderr and a 2."""
    try:
        code = app(list(arguments) or ["--help"], prog_name=COMMAND, standalone_mode=False)
        sys.stdout.flush()
        return code or 0
    except (TyperException, InputError) as error:
        message = error.format_message() if isinstance(error, TyperException) else str(error)
        line = " ".join(message.split()).replace("Input should", "it should")
        print("error:", line, file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `| head` has seen enough
        return 0
