"""The set-up from a fresh clone: what the Makefile promises, and a lock that fits `pyproject.toml`."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK_TEXT = (ROOT / "poetry.lock").read_text(encoding="utf-8")
PACKAGES = tomllib.loads(LOCK_TEXT)["package"]
LOCKED = {package["name"]: package["version"] for package in PACKAGES}
REQUIREMENTS = [
    Requirement(text) for text in [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]
]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What `make` reads, in a folder whose name holds a space."""
    folder = tmp_path / "a checkout"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    return folder


def _make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make as from a shell of its own, not as a child of the make that may run the tests."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_plain_make_lists_every_target(checkout: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    listed = re.findall(r"^  (\S+) ", _make(checkout).stdout, re.MULTILINE)
    assert sorted(listed) == sorted(phony[1].split())


def test_an_unfit_python_is_refused_before_anything_is_made(checkout: Path) -> None:
    project = checkout / "pyproject.toml"
    fitting = f'requires-python = "{PROJECT["project"]["requires-python"]}"'
    unfit = project.read_text(encoding="utf-8").replace(fitting, 'requires-python = ">=3.98,<3.99"')
    project.write_text(unfit, encoding="utf-8")
    result = _make(checkout, "setup", f"PYTHON={sys.executable}")
    assert result.returncode != 0
    assert "kpp needs Python >=3.98,<3.99" in result.stderr
    assert not (checkout / ".venv").exists()


def test_a_missing_python_is_named(checkout: Path) -> None:
    result = _make(checkout, "setup", "PYTHON=no-such-python")
    assert result.returncode != 0
    assert "no no-such-python here" in result.stderr


def test_a_second_call_reuses_the_set_up_until_the_dependencies_change(checkout: Path) -> None:
    stamp = checkout / ".venv" / ".set-up-by-make"
    stamp.parent.mkdir()
    stamp.touch()
    os.utime(checkout / "pyproject.toml", (0, 0))
    os.utime(checkout / "constraints.txt", (0, 0))
    assert "pip install" not in _make(checkout, "--dry-run", "setup").stdout
    os.utime(stamp, (0, 0))
    (checkout / "constraints.txt").touch()
    assert "pip install" in _make(checkout, "--dry-run", "setup").stdout


@pytest.mark.parametrize(
    ("arguments", "command"),
    [((), ".venv/bin/kpp demo"), (("DATA=my table.csv",), '.venv/bin/kpp train "$DATA"')],
)
def test_demo_simulates_unless_a_table_is_named(
    checkout: Path, arguments: tuple[str, ...], command: str
) -> None:
    dry_run = _make(checkout, "--dry-run", "--old-file=setup", "demo", *arguments)
    assert dry_run.stdout.splitlines() == [command]


def test_clean_leaves_data_models_and_plots_alone(checkout: Path) -> None:
    kept = [checkout / name for name in ("dataset/mine.csv", "models/gru_cart.pth", "plots/cart.png", ".env")]
    made = [checkout / name for name in (".venv/bin/python", "kpp/__pycache__/a.pyc", ".mypy_cache/a")]
    for path in kept + made:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert _make(checkout, "clean").returncode == 0
    assert [path for path in kept if not path.exists()] == []
    assert [path for path in made if path.exists()] == []


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda requirement: requirement.name)
def test_the_lock_holds_every_dependency_at_an_allowed_version(requirement: Requirement) -> None:
    assert requirement.specifier.contains(LOCKED[canonicalize_name(requirement.name)])


def test_the_lock_holds_each_package_once() -> None:
    # of a package that is there twice, with markers that overlap, `poetry install` installs both
    assert len(LOCKED) == len(PACKAGES)


def test_the_lock_names_no_source() -> None:
    assert "://" not in LOCK_TEXT


def test_make_installs_what_poetry_locked() -> None:
    names = {canonicalize_name(requirement.name) for requirement in REQUIREMENTS}
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert pins == [f"{name}=={LOCKED[name]}" for name in sorted(names)]
