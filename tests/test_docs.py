"""What exists is documented, what is documented exists: commands, options, settings, links, versions."""

import html
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from kpp import __version__
from kpp.cli.main import app
from kpp.collector.config import Config, read_config, setting_names, variable_of
from kpp.collector.prometheus.access_settings import ACCESS_VARIABLES

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("dataset/*.md")])
GROUP = typer.main.get_command(app)
assert isinstance(GROUP, TyperGroup)
COMMANDS = GROUP.commands


def _page_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _prose(page: Path) -> str:
    """The page without its code: what looks like a link there is none."""
    return re.sub(
        r"^ *```.*?^ *```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the usual forges make them."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ +(.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def _lines_of_shell(page: Path) -> Iterator[str]:
    """The lines of the page's shell blocks, without comments."""
    for block in re.findall(
        r"^```bash\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    ):
        yield from (line.split(" #")[0].strip() for line in block.splitlines())


def _examples() -> Iterator[tuple[str, list[str]]]:
    """Each `kpp …` in a shell block of the documentation: the line and its words after `kpp`."""
    for page in PAGES:
        for line in _lines_of_shell(page):
            words = shlex.split(line.removeprefix("poetry run "))
            if words[:1] == ["kpp"]:
                yield f"{_page_id(page)}: {line}", words[1:]


def _section(command: str) -> str:
    """What the reference says of a command, without the marks that hide a character from Markdown."""
    text = html.unescape((ROOT / "docs" / "commands.md").read_text(encoding="utf-8"))
    match = re.search(rf"^## `kpp {command}`$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert match is not None, f"docs/commands.md has no section on kpp {command}: run `make docs`"
    return match[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_and_its_parameters_have_help_that_the_reference_repeats(command: str) -> None:
    section = _section(command)
    assert (COMMANDS[command].help or "").split("\n")[0] in section
    for parameter in COMMANDS[command].params:
        help_text = getattr(parameter, "help", None)
        assert help_text, f"kpp {command}: {parameter.name} has no help"
        assert help_text in section, f"docs/commands.md is behind on kpp {command}: run `make docs`"
        for option in (name for name in parameter.opts if name.startswith("-")):
            assert option in section, f"docs/commands.md is behind on kpp {command}: run `make docs`"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_has_a_section_with_an_example_for_each_command(command: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    match = re.search(rf"^### `kpp {command}`$(.*?)(?=^##|\Z)", readme, re.MULTILINE | re.DOTALL)
    assert match is not None, f"the README has no section on kpp {command}"
    assert re.search(rf"^kpp {command}\b", match[1], re.MULTILINE), (
        f"the README has no example of kpp {command}"
    )


@pytest.mark.parametrize(("line", "words"), list(_examples()))
def test_an_example_uses_what_exists(line: str, words: list[str]) -> None:
    assert words[0] in COMMANDS, line
    known = {option for parameter in COMMANDS[words[0]].params for option in parameter.opts}
    used = {word.split("=")[0] for word in words if word.startswith("--")}
    assert used <= known, line


@pytest.mark.parametrize("page", PAGES, ids=_page_id)
def test_links_within_the_repository_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{_page_id(page)} links to {target}, which is not there"
        assert not anchor or anchor in _anchors(linked), (
            f"{_page_id(page)} links to {target}: no such heading"
        )


def test_every_decision_is_in_the_list_of_them_under_its_number_and_title() -> None:
    decisions = ROOT / "docs" / "adr"
    listed = re.findall(
        r"^\| (\d+) \| \[(.*)\]\((.*)\) \|$", (decisions / "README.md").read_text(), re.MULTILINE
    )
    titles = {page.name: page.read_text().split("\n")[0] for page in sorted(decisions.glob("[0-9]*.md"))}

    assert {name: f"# {number}. {title}" for number, title, name in listed} == titles
    assert all(int(name[:4]) == int(number) for number, _, name in listed)


def test_the_example_of_settings_holds_every_setting_with_its_default() -> None:
    example = ROOT / ".env.example"
    variables = re.findall(r"^([A-Z_]+)=", example.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(variables) == sorted([*map(variable_of, setting_names()), *ACCESS_VARIABLES])
    assert read_config({}, {}, example) == Config()


def test_every_setting_is_an_option_of_collect() -> None:
    options = {option for parameter in COMMANDS["collect"].params for option in parameter.opts}
    fields = {name.replace("_", "-") for name in setting_names()}
    assert {f"--{field}" for field in fields} <= options


def test_the_newest_version_in_the_changelog_is_that_of_the_package() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(\d[^\]]*)\]", changelog, re.MULTILINE)
    assert versions[0] == __version__
