"""Measured text put into a document by the suite, so that no number is copied by hand."""

from pathlib import Path

from benchmark import atomic
from methods.errors import InputError


def insert(text: str, document: Path, mark: str) -> None:
    """Replace what stands between the lines <!-- mark --> and <!-- /mark --> of a document.

    Raises InputError where the document cannot be read or written or has no such lines; then it stays as it was.
    """
    begin, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
    try:
        before, found, rest = document.read_text(encoding="utf-8").partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise InputError(f"{document} has no lines {begin.strip()} and {end} to put the text between")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot put the text into {document}: {error}") from None
    atomic.write(document, f"{before}{begin}\n{text}\n\n{end}{after}".encode())


def inserted(document: Path, mark: str) -> str | None:
    """What stands between the lines <!-- mark --> and <!-- /mark --> of a document; None without such lines.

    Raises InputError where the document cannot be read.
    """
    try:
        _, found, rest = document.read_text(encoding="utf-8").partition(f"<!-- {mark} -->\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {document}: {error}") from None
    text, closed, _ = rest.partition(f"<!-- /{mark} -->")
    return text if found and closed else None
