"""Files that are written in whole or not at all."""

import os
from pathlib import Path

from methods.errors import InputError


def write(path: Path, content: bytes, draft: Path) -> None:
    """Write `content` to `path` by way of `draft`, a name beside it that nobody else writes to.

    Raises InputError where the folder cannot be written or the disk is full; what was there before stays.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(draft, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # the name must never point at what a power cut can still lose
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"cannot write {path} ({reason}); make room or name another place") from None
