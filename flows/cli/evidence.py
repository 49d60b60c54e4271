"""A file of evidence: its owner's alone, whole or not there at all, never overwritten unasked."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import typer


def check_free(path: Path, force: bool) -> None:
    """Raises typer.BadParameter, in one line, where the file may not or cannot be written."""
    if path.is_dir() or not path.parent.is_dir():
        raise typer.BadParameter(f"{path} is not a file in a folder that exists")
    if path.exists() and not force:
        raise typer.BadParameter(f"{path} exists already: choose another name, or add --force")


async def save(pieces: AsyncIterator[bytes], path: Path, force: bool) -> tuple[int, str]:
    """Write the pieces into the file; its size in bytes and its SHA-256."""
    size, digest = 0, hashlib.sha256()
    with _placing(path, force) as file:
        async for piece in pieces:
            file.write(piece)
            digest.update(piece)
            size += len(piece)
    return size, digest.hexdigest()


@contextmanager
def _placing(path: Path, force: bool) -> Iterator[BinaryIO]:
    """A file of mode 0600 beside the path, which takes its place once the block has gone well."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise typer.BadParameter(f"{path} can't be written: {error.strerror}") from None
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        check_free(path, force)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
