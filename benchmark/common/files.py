"""Files written in whole or not at all, and text that the suite puts into documents between marks."""

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from methods.errors import InputError


def write(path: Path, content: bytes, draft: Path | None = None) -> None:
    """Write `content` to `path` by way of `draft`, a name beside it that nobody else writes to.

    A link stays one, and a pipe or a terminal is written to as it is. Raises InputError where the folder cannot be
    written or the disk is full; what was there before stays.
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
            os.fsync(file.fileno())  # the name must never point at what a power cut can still lose
        with suppress(OSError):  # there is none yet, or the file system has no modes
            shutil.copymode(path, draft)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


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
    write(document, f"{before}{begin}\n{text}\n\n{end}{after}".encode())


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
