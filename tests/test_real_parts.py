from pathlib import Path

import pytest

from tests.real_parts import REQUIRE_VARIABLE, require


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of one empty folder."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(REQUIRE_VARIABLE, raising=False)
    return tmp_path


def test_gives_the_path_of_a_program(path: Path) -> None:
    program = path / "promtool"
    program.touch(mode=0o755)
    assert require("promtool") == program


def test_skips_without_the_program_and_says_how_to_get_it() -> None:
    with pytest.raises(pytest.skip.Exception, match="apt-get install kubernetes-client"):
        require("kubectl")


def test_fails_without_the_program_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REQUIRE_VARIABLE, "1")
    with pytest.raises(pytest.fail.Exception, match="KPP_REQUIRE_REAL_PARTS is set"):
        require("kubectl")
