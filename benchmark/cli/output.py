"""Standard output that raises an error of its own when it cannot be written."""

import io
import os
import sys
from typing import TextIO

from methods.errors import InputError


class Unwritable(InputError):
    """Standard output cannot be written. closed: whether its reader has ended, as in `| head`.

    Not an OSError: rich and typer handle those in their own ways.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(error.strerror or str(error))
        self.closed = isinstance(error, BrokenPipeError)


class Output(io.TextIOWrapper):
    """Text output to the buffer of `stream`. Raises Unwritable, and escapes characters that its encoding lacks."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        super().__init__(
            stream.buffer,
            encoding=stream.encoding,
            errors="backslashreplace",
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )

    def write(self, text: str) -> int:
        """Like io.TextIOBase.write. Raises Unwritable."""
        try:
            return super().write(text)
        except OSError as error:
            raise Unwritable(error) from None

    def flush(self) -> None:
        """Like io.IOBase.flush. Raises Unwritable."""
        try:
            super().flush()
        except OSError as error:
            raise Unwritable(error) from None


def silence(stream: TextIO) -> None:
    """Discard what `stream` still holds, so that Python's last flush does not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say_wrong(line: str) -> None:
    """Print an error line on standard error. Does nothing if standard error cannot be written."""
    try:
        print("error:", line, file=sys.stderr, flush=True)
    except OSError:
        silence(sys.stderr)
