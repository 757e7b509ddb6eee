"""python -m benchmark"""

import os
import signal
import sys

from benchmark.cli.output import Output, say_wrong
from methods.errors import InputError


def main() -> int:
    """The command line's exit code. SIGTERM interrupts as Ctrl-C does."""
    if sys.stderr is None:  # closed, as by 2>&-
        sys.stderr = open(os.devnull, "w", encoding="utf-8")
    sys.stderr.reconfigure(errors="backslashreplace")  # a terminal that lacks '±' must not stop a line
    if sys.stdout is None:
        say_wrong("standard output is closed; send it somewhere, as to /dev/null")
        return 2
    sys.stdout = Output(sys.stdout)
    sys.path.append("")  # the current directory, also for the installed command: package.module:Class may lie there
    try:
        signal.signal(signal.SIGTERM, _interrupt)
        from benchmark.cli import main as cli  # takes a while, in which a person may press Ctrl-C

        return cli.main(sys.argv[1:])
    except InputError as error:  # a file of methods/ that cannot be read as a method
        say_wrong(str(error))
        return 2
    except KeyboardInterrupt:
        return 130


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
