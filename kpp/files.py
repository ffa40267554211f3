"""Writes files whole or not at all."""

import contextlib
import glob
import os
from collections.abc import Mapping
from pathlib import Path

from kpp.errors import ConfigError


def write_whole(contents: Mapping[Path, bytes]) -> None:
    """Write all files, or leave all as they were.

    Each content goes to a temporary file beside its target and onto the disk; only when all are there do they
    take their places, one after the other. Only a crash between two renames can leave a new file beside an
    old one.

    Raises:
        ConfigError: the file system refused; nothing was replaced, or the error says what.
    """
    temporary = {path: path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in contents}
    path = next(iter(contents))
    try:
        for path, content in contents.items():
            with temporary[path].open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for path in contents:
            temporary[path].replace(path)
    except OSError as error:
        mend = "make room, or choose a folder that can be written to"
        raise ConfigError(f"cannot be written: {error.strerror}", where=str(path), mend=mend) from error
    finally:
        for leftover in temporary.values():
            leftover.unlink(missing_ok=True)


def remove_unfinished(path: Path) -> None:
    """Remove what a killed process left of `write_whole` beside a file, which nobody may be writing now."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with contextlib.suppress(OSError):
            leftover.unlink()


def make_directory(path: Path, mend: str = "choose a folder that can be written to") -> None:
    """Make a folder, and those above it, where it is missing.

    Args:
        path: the folder.
        mend: what to do where it cannot be made.

    Raises:
        ConfigError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"no folder can be made here: {error.strerror}", where=str(path), mend=mend
        ) from error


def sync_directory(directory: Path) -> None:
    """Let a new file's name survive a power cut as well; not every platform and file system offers it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
