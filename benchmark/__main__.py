"""python -m benchmark"""

import os
import signal
import sys

from benchmark.cli.output import Output, say_wrong
from methods.errors import InputError


def main() -> int:
    """Run the command line and return its exit code. SIGTERM interrupts like Ctrl-C."""
    if sys.stderr is None:  # closed by the shell: 2>&-
        sys.stderr = open(os.devnull, "w", encoding="utf-8")
    sys.stderr.reconfigure(errors="backslashreplace")  # a terminal without '±' must not raise
    if sys.stdout is None:
        say_wrong("standard output is closed; redirect it, for example to /dev/null")
        return 2
    sys.stdout = Output(sys.stdout)
    sys.path.append("")  # the installed command must also find package.module:Class in the current directory
    try:
        signal.signal(signal.SIGTERM, _interrupt)
        from benchmark.cli import main as cli  # slow: Ctrl-C must also work during the import

        return cli.main(sys.argv[1:])
    except InputError as error:  # raised by the import: a file in methods/ cannot be read as a method
        say_wrong(str(error))
        return 2
    except KeyboardInterrupt:
        return 130


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
