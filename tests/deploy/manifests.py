"""The manifests in deploy/, as objects."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy"
PATHS = sorted(FOLDER.glob("*.yaml"))


def read(name: str) -> list[Any]:
    """The objects of a file."""
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


def read_one(name: str, kind: str) -> Any:
    """The one object of this kind."""
    (found,) = [each for each in read(name) if each["kind"] == kind]
    return found
