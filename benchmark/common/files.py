"""Atomic writes of files, and insertion of text into documents between marks."""

import os
import re
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from methods.errors import InputError


def write(path: Path, content: bytes, draft: Path | None = None) -> None:
    """Write `content` to `path` atomically: write the file `draft`, then rename it.

    draft: a path in the same folder that no other process writes to; chosen here by default. A symbolic link stays a
    link. A pipe or a terminal is written to directly. Raises InputError if the folder cannot be written or the disk is
    full; the old content then stays.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
        else:
            _replace(Path(os.path.realpath(path)), content, draft)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"cannot write {path} ({reason}); make room or name another place") from None


def _replace(path: Path, content: bytes, draft: Path | None) -> None:
    draft = draft or path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(draft, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # without it, a power cut after the rename could lose the content
        with suppress(OSError):  # the file does not exist yet, or the file system has no modes
            shutil.copymode(path, draft)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def insert(text: str, document: Path, mark: str) -> None:
    """Replace the text between the lines <!-- mark --> and <!-- /mark --> of a document.

    The document keeps its line endings. Raises InputError if it cannot be read or written, or does not have these
    lines. The document then stays unchanged.
    """
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    try:
        if document.exists() and not document.is_file():  # reading a pipe may never end
            raise InputError(f"cannot put the text into {document}: it is not a regular file")
        before, line_end, rest = _parted(document.read_bytes().decode(), begin)
        _, closed, after = rest.partition(end)
        if not (line_end and closed):
            raise InputError(f"{document} has no lines {begin} and {end} to put the text between")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot put the text into {document}: {error}") from None
    lines = "\n".join([begin, "", text, "", end]).replace("\n", line_end)
    write(document, f"{before}{lines}{after}".encode())


def _parted(said: str, begin: str) -> tuple[str, str, str]:
    """What stands before the first line `begin`, that line's ending, what stands after it; "" for a missing line."""
    found = re.search(f"{re.escape(begin)}(\r?\n)", said)
    return (said[: found.start()], found[1], said[found.end() :]) if found else (said, "", "")


def inserted(document: Path, mark: str) -> str | None:
    """The text between the lines <!-- mark --> and <!-- /mark --> of a document; None if it does not have these lines.

    Raises InputError if the document cannot be read.
    """
    try:
        _, found, rest = document.read_text(encoding="utf-8").partition(f"<!-- {mark} -->\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {document}: {error}") from None
    text, closed, _ = rest.partition(f"<!-- /{mark} -->")
    return text if found and closed else None
