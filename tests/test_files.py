import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kpp.errors import ConfigError
from kpp.files import make_directory, write_whole


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the system refuse every file that grows beyond `size` bytes, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_all_files_are_written_and_nothing_else_stays(tmp_path: Path) -> None:
    write_whole({tmp_path / "a": b"new a", tmp_path / "b": b"new b"})

    assert contents_of(tmp_path) == {"a": b"new a", "b": b"new b"}


def test_a_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old and longer")

    write_whole({tmp_path / "a": b"new"})

    assert contents_of(tmp_path) == {"a": b"new"}


@pytest.mark.parametrize("order", [("small", "large"), ("large", "small")])
def test_a_write_that_fails_leaves_all_files_as_they_were(tmp_path: Path, order: tuple[str, str]) -> None:
    new = {"small": b"new", "large": b"x" * 100_000}
    for name in order:
        (tmp_path / name).write_bytes(b"old")

    with largest_file(50_000), pytest.raises(ConfigError, match=r"large: cannot be written: .*; make room"):
        write_whole({tmp_path / name: new[name] for name in order})

    assert contents_of(tmp_path) == {"small": b"old", "large": b"old"}


def test_an_interruption_leaves_all_files_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr("os.fsync", interrupt)

    with pytest.raises(KeyboardInterrupt):
        write_whole({tmp_path / "a": b"new"})

    assert contents_of(tmp_path) == {"a": b"old"}


def test_files_have_the_rights_that_the_user_gives_to_new_files(tmp_path: Path) -> None:
    (tmp_path / "ordinary").touch()

    write_whole({tmp_path / "a": b""})

    assert (tmp_path / "a").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere/a: cannot be written: No such file or directory"):
        write_whole({tmp_path / "nowhere" / "a": b""})


def test_a_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    make_directory(tmp_path / "a" / "b")
    make_directory(tmp_path / "a" / "b")

    assert (tmp_path / "a" / "b").is_dir()


def test_a_file_where_a_folder_is_wanted_is_refused(tmp_path: Path) -> None:
    (tmp_path / "models").touch()

    with pytest.raises(ConfigError, match="models: no folder can be made here: File exists; choose a folder"):
        make_directory(tmp_path / "models")
