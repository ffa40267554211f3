"""Options that take several values at once, as a shell's `*.csv` gives them: --train a.csv b.csv."""

from collections.abc import Iterator, Sequence
from typing import Any

from typer.core import TyperCommand


class ManyFiles(TyperCommand):
    """A command without positional arguments, whose options `FILES` take several values at once."""

    FILES = ("--train", "--test")

    # Any: the base class names its context by a type of a private module of typer
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments, after these options are written out."""
        return super().parse_args(ctx, list(repeat_options(args, self.FILES)))


def repeat_options(arguments: Sequence[str], options: Sequence[str]) -> Iterator[str]:
    """Write an option before each of its values.

    >>> list(repeat_options(["--train", "a", "b", "--split", "merged"], ["--train"]))
    ['--train', 'a', '--train', 'b', '--split', 'merged']
    """
    option = ""  # whose values may follow
    wanting = False  # a value for the option that was just named
    for argument in arguments:
        if argument.startswith("-") and argument != "-":
            name, equals, _ = argument.partition("=")
            option, wanting = (name if name in options else ""), not equals
        elif option and not wanting:
            yield option
        else:
            wanting = False
        yield argument
