"""python -m benchmark"""

import sys

from benchmark import cli


def main() -> int:
    """The command line's exit code."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # a terminal that lacks '±' must not stop the table
    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
