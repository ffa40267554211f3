"""Ctrl-C, SIGTERM and a closed terminal as an exception that is raised once, and does not get lost."""

import signal
import sys
from types import FrameType

from kpp.errors import Interrupted

_HANGUP = getattr(signal, "SIGHUP", None)  # the terminal was closed; not every platform has it
_ALARM = getattr(signal, "SIGALRM", None)  # likewise
_SIGNALS = [signal.SIGINT, signal.SIGTERM, *([_HANGUP] if _HANGUP is not None else [])]
_PATIENCE_SECONDS = 1.0


def raise_on_signals() -> None:
    """Let each signal that asks the process to end raise `Interrupted`."""
    for number in _SIGNALS:
        if number != _HANGUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup: to be left alone
            signal.signal(number, _interrupt)
    if _ALARM is not None:
        signal.signal(_ALARM, _interrupt)


def rest() -> None:
    """Raise nothing more: the process ends."""
    if _ALARM is not None:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Raise, unless an interruption is being cleaned up already: that is not disturbed by further signals.

    Python drops an exception that is raised while a destructor runs. So an alarm follows, which raises again
    if nobody has noticed.
    """
    if _is_under_way():
        return
    if _ALARM is not None:
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE_SECONDS)
    raise Interrupted("interrupted", mend="run the command again to start over")


def _is_under_way() -> bool:
    """Whether an `except`, a `finally` or a `with` of the main thread is handling an interruption."""
    error = sys.exception()
    while error is not None and not isinstance(error, Interrupted):
        error = error.__context__
    return error is not None
