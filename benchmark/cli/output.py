"""Standard output whose failures are told apart from all others."""

import io
import os
import sys
from typing import TextIO

from methods.errors import InputError


class Unwritable(InputError):
    """Standard output takes no more; `closed`: because its reader has left, as `| head` does when it has seen enough.

    No OSError, which rich and typer would answer each in a way of its own.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(error.strerror or str(error))
        self.closed = isinstance(error, BrokenPipeError)


class Output(io.TextIOWrapper):
    """A stream of text over `stream`'s bytes that raises Unwritable, and never fails for a character it lacks."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        super().__init__(
            stream.buffer,
            encoding=stream.encoding,
            errors="backslashreplace",
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )

    def write(self, text: str) -> int:
        """As of any stream of text."""
        try:
            return super().write(text)
        except OSError as error:
            raise Unwritable(error) from None

    def flush(self) -> None:
        """As of any stream of text."""
        try:
            super().flush()
        except OSError as error:
            raise Unwritable(error) from None


def silence(stream: TextIO) -> None:
    """What `stream` still holds goes nowhere, so that Python's last flush does not fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say_wrong(line: str) -> None:
    """A line on standard error, if that takes any."""
    try:
        print("error:", line, file=sys.stderr, flush=True)
    except OSError:
        silence(sys.stderr)
