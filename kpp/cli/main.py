"""`kpp`: registers the commands and turns errors into one line and an exit code."""

import logging
import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.logging import RichHandler

from kpp import __version__
from kpp.cli import interruption
from kpp.cli.check import check
from kpp.cli.collect import collect
from kpp.cli.demo import demo
from kpp.cli.evaluate import evaluate
from kpp.cli.fit import fit
from kpp.cli.import_history import import_history
from kpp.cli.many_values import ManyFiles
from kpp.cli.plan import plan
from kpp.cli.predict import predict
from kpp.cli.restore import restore
from kpp.cli.simulate import simulate
from kpp.cli.table import table
from kpp.cli.train import train
from kpp.errors import Interrupted, KppError

app = typer.Typer(
    name="kpp",
    help="The Kubernetes performance predictor: collect measurements, train a model per service, predict.",
    rich_markup_mode="markdown",  # joins the lines of a paragraph
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"kpp {__version__}")
        raise typer.Exit


@app.callback()
def configure(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and debug messages.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Set up logging for all commands; messages go to stderr, results to stdout."""
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING,
        format="%(message)s",
        handlers=[RichHandler(console=Console(stderr=True), show_path=debug, show_time=debug)],
        force=True,
    )


app.command()(collect)
app.command("import")(import_history)
app.command()(restore)
app.command()(train)
app.command()(table)
app.command()(fit)
app.command()(predict)
app.command()(plan)
app.command(cls=ManyFiles)(evaluate)
app.command()(check)
app.command()(simulate)
app.command()(demo)


def main(arguments: list[str] | None = None) -> None:
    """Run `kpp` and exit with the codes of `kpp.errors`."""
    arguments = sys.argv[1:] if arguments is None else arguments
    interruption.raise_on_signals()
    debug = "--debug" in arguments
    try:
        app(args=arguments, prog_name="kpp")
    except KppError as error:
        _fail(_tell(error), error.exit_code, debug=debug)
    except Exception as error:  # the last resort: a bug is one line too, unless asked for more
        fault = f"a fault in kpp: {type(error).__name__}: {error}; run again with `kpp --debug` and report it"
        _fail([fault], KppError.exit_code, debug=debug)
    finally:
        interruption.rest()


def _tell(error: KppError) -> list[str]:
    """The error's line, and one for each earlier error that it came on top of and does not quote."""
    lines = [str(error)]
    earlier = _earlier(error)
    while earlier is not None:
        if isinstance(earlier, KppError) and str(earlier) not in lines[-1]:
            # the mend of an interruption is for one that left all in order
            lines.append(f"before that: {earlier.what if isinstance(earlier, Interrupted) else earlier}")
        earlier = _earlier(earlier)
    return lines


def _earlier(error: BaseException) -> BaseException | None:
    """What the error came on top of, unless it was raised to stand in its place."""
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _fail(lines: list[str], exit_code: int, *, debug: bool) -> NoReturn:
    if debug:
        logging.getLogger(__name__).exception("traceback")
    for line in lines:
        typer.echo(f"kpp: {line}", err=True)
    sys.exit(exit_code)
