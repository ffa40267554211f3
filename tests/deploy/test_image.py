"""The image: what it installs is what a campaign loads, no more and no less; who runs in it."""

import re
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deploy.manifests import ROOT

# loaded after a campaign, by what they are: what the interpreter of this test has besides
TOOLS = {"kpp", "pip", "setuptools", "pytest", "coverage", "pytest-cov"}


def listed() -> set[str]:
    lines = (ROOT / "deploy" / "collector-requirements.txt").read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(line) for line in lines if line and not line.startswith("#")}


def with_what_they_need(names: Iterable[str]) -> set[str]:
    """The distributions and all that they require, here."""
    found: set[str] = set()
    waiting = [*names]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        found.add(name)
        needed = [Requirement(text) for text in requires(name) or ()]
        waiting += [
            each.name for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})
        ]
    return found


def test_what_a_campaign_loads_is_what_the_image_has(tmp_path: Path) -> None:
    """Modules of all phases, loaded in a process of their own."""
    code = (
        "import sys\n"
        "import kpp.cli.main, kpp.cli.collect, kpp.cli.campaigns.preflight, kpp.cli.campaigns.dry_run\n"
        "import kpp.cli.campaigns.run, kpp.collector.collector\n"
        "from kpp.collector.quality.trend import find_trend\n"
        "find_trend(range(5), [1, 2, 3, 4, 5])\n"
        "from kpp.collector.profiles.reading import read_profile\n"
        "read_profile('istio-sidecar')\n"
        # a bare namespace, as `google`, is found when the optional google.auth is looked for
        "files = {name for name, module in sys.modules.items() if getattr(module, '__file__', None)}\n"
        "print(*sorted({name.partition('.')[0] for name in files}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    distributions = packages_distributions()
    loaded = {
        canonicalize_name(name) for module in result.stdout.split() for name in distributions.get(module, ())
    }
    assert loaded - TOOLS <= with_what_they_need(listed())
    assert listed() <= loaded


def test_all_that_is_listed_has_its_version_in_the_constraints_and_is_kpps_own() -> None:
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert listed() <= {canonicalize_name(line.partition("==")[0]) for line in pinned}
    assert listed() <= {canonicalize_name(Requirement(text).name) for text in requires("kpp") or ()}


def test_the_context_holds_what_the_dockerfile_copies() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    let_through = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [name for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.M) for name in line.split()]
    assert copied
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in let_through


def test_the_image_is_that_of_the_lowest_python_and_has_no_root() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    bases = re.findall(r"^FROM (\S+)", text, re.M)
    assert set(bases) == {"python:3.11-slim"}
    last_stage = text[text.rindex("FROM ") :]
    assert re.search(r"^USER \d+:\d+$", last_stage, re.M)
    assert last_stage.rindex("RUN ") < last_stage.rindex("USER ")
