import subprocess
import sys
from itertools import pairwise

import pytest

from kpp import __version__
from kpp.cli import main as cli
from kpp.errors import Interrupted, KppError, KubernetesError


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "kpp", *arguments], capture_output=True, text=True, check=False
    )


def test_the_version_is_the_packages() -> None:
    assert run("--version").stdout == f"kpp {__version__}\n"


def test_wrong_usage_is_exit_code_2() -> None:
    result = run("nosuch")

    assert result.returncode == 2
    assert "No such command 'nosuch'" in result.stderr


@pytest.mark.parametrize("command", [[], ["collect"]])
def test_help_loads_nothing_heavy(command: list[str]) -> None:
    code = (
        "import sys\nfrom kpp.cli.main import main\n"
        f"try:\n    main({[*command, '--help']})\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'sklearn', 'matplotlib', 'pandas', 'scipy', 'kubernetes', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stderr.strip() == "[]"


@pytest.mark.parametrize("command", ["collect", "train", "evaluate", "restore", "demo", "plan"])
def test_paragraphs_of_help_fill_80_columns(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line ends where the next word would not fit, not where it does in the source."""
    monkeypatch.setenv("COLUMNS", "80")

    with pytest.raises(SystemExit):
        cli.main([command, "--help"])

    described, _, _ = capsys.readouterr().out.partition("╭")
    lines = [line.strip() for line in described.splitlines()]
    for line, following in pairwise(lines):
        if line and following:
            assert len(f"{line} {following.split()[0]}") > 78


def test_an_unexpected_error_is_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(cli, "app", fail)

    with pytest.raises(SystemExit) as exit_:
        cli.main([])

    assert exit_.value.code == 1
    assert capsys.readouterr().err == (
        "kpp: a fault in kpp: ZeroDivisionError: division by zero; "
        "run again with `kpp --debug` and report it\n"
    )


def test_an_error_tells_what_it_came_on_top_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        try:
            raise Interrupted("interrupted", mend="run again")
        finally:
            try:
                raise KubernetesError("refused", mend="ask")
            except KubernetesError as refused:
                raise KubernetesError(f"not restored: {refused}", mend="restore by hand") from refused

    monkeypatch.setattr(cli, "app", fail)

    with pytest.raises(SystemExit) as exit_:
        cli.main([])

    assert exit_.value.code == KubernetesError.exit_code
    assert capsys.readouterr().err.splitlines() == [
        "kpp: not restored: refused; ask; restore by hand",
        "kpp: before that: interrupted",
    ]


def test_every_error_has_the_documented_exit_code() -> None:
    codes = {kind.__name__: kind.exit_code for kind in all_subclasses(KppError)}

    assert codes == {
        "ConfigError": 2,
        "InputError": 3,
        "ClusterError": 4,
        "KubernetesError": 4,
        "RolloutError": 4,
        "LeaseLostError": 4,
        "PrometheusError": 4,
        "QueryError": 4,
        "ShortfallError": 5,
        "Interrupted": 130,
    }


def all_subclasses(kind: type[KppError]) -> set[type[KppError]]:
    public = {each for each in kind.__subclasses__() if each.__module__ == KppError.__module__}
    return public.union(*(all_subclasses(each) for each in public))
