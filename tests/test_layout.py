"""The size of modules and functions: what is longer is two rooms in one."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "kpp"
MODULES = sorted(PACKAGE.rglob("*.py"))


def _functions(module: Path) -> Iterator[tuple[str, int]]:
    """The name of each function and the lines of its body.

    Docstring and signature do not count: a command's signature is the table of its options.
    """
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            yield f"{module.relative_to(PACKAGE)}:{node.lineno} {node.name}", lines


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_has_at_most_250_lines_and_its_functions_60(module: Path) -> None:
    assert len(module.read_text(encoding="utf-8").splitlines()) <= 250
    assert [(name, lines) for name, lines in _functions(module) if lines > 60] == []


def test_the_median_module_has_at_most_120_lines() -> None:
    lengths = [len(module.read_text(encoding="utf-8").splitlines()) for module in MODULES]
    assert statistics.median(lengths) <= 120


def test_nine_functions_in_ten_have_at_most_30_lines() -> None:
    lengths = [lines for module in MODULES for _, lines in _functions(module)]
    assert statistics.quantiles(lengths, n=10)[-1] <= 30
