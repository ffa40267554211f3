"""Resource quantities such as `100m` or `64Mi`, and the one way in which the API server writes each.

Source: k8s.io/apimachinery `pkg/api/resource/quantity.go`.
"""

import math
import re
from fractions import Fraction
from typing import Any

from kpp.simulator.kubernetes.objects.resources import Json

_PATTERN = re.compile(r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?P<suffix>[a-zA-Z]*[-+]?[0-9]*)")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_NANO = 10**9  # the finest quantity; what is finer is rounded up


class QuantityError(ValueError):
    """The text is no quantity, in the API's words."""

    def __init__(self) -> None:
        super().__init__(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )


def parse_quantity(value: Any) -> Fraction:
    """The number that a quantity stands for.

    >>> parse_quantity("100m"), parse_quantity("1Ki"), parse_quantity("1e3")
    (Fraction(1, 10), Fraction(1024, 1), Fraction(1000, 1))

    Raises:
        QuantityError: it is none.
    """
    number, suffix = _split(value)
    base, exponent = _scale(suffix)
    exact = Fraction(number) * Fraction(base) ** exponent
    nano = exact * _NANO
    return Fraction(math.ceil(nano) if nano >= 0 else math.floor(nano), _NANO)


def canonical_quantity(value: Any) -> str:
    """The quantity as the API server writes it.

    >>> [canonical_quantity(text) for text in ("0.1", "1024Mi", "1000", "0.5Gi", "1e3", 2)]
    ['100m', '1Gi', '1k', '512Mi', '1e3', '2']

    Raises:
        QuantityError: it is none.
    """
    number = parse_quantity(value)
    written, suffix = _split(value)
    if _is_kept(written, suffix):
        return str(value).strip()
    if suffix in _BINARY and abs(number) >= 1024 and number.denominator == 1:
        return _write_binary(int(number))
    mantissa, exponent = _remove_thousands(number)
    if suffix not in _DECIMAL and suffix not in _BINARY:
        return f"{mantissa}e{exponent}" if exponent else str(mantissa)
    return f"{mantissa}{_DECIMAL_SUFFIX[exponent]}"


def canonical_resources(resources: Json) -> Json:
    """Requests and limits with every quantity as the API server writes it."""
    canonical = dict(resources)
    for part in ("limits", "requests"):
        if isinstance(resources.get(part), dict):
            canonical[part] = {name: canonical_quantity(value) for name, value in resources[part].items()}
    return canonical


def _split(value: Any) -> tuple[str, str]:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise QuantityError
    match = _PATTERN.fullmatch(str(value).strip())
    if match is None:
        raise QuantityError
    return match["number"], match["suffix"]


def _scale(suffix: str) -> tuple[int, int]:
    if suffix in _BINARY:
        return 2, _BINARY[suffix]
    if suffix in _DECIMAL:
        return 10, _DECIMAL[suffix]
    try:
        if suffix[:1] not in ("e", "E") or abs(int(suffix[1:])) > 18:
            raise QuantityError
        return 10, int(suffix[1:])
    except ValueError as error:
        raise QuantityError from error


def _is_kept(number: str, suffix: str) -> bool:
    """Whether the server keeps the text: whole thousands, units, thousandths … are its own form to it."""
    if suffix in _BINARY:
        return False
    whole, _, decimals = number.lstrip("+-").partition(".")
    exponent = _scale(suffix)[1] - len(decimals)
    digits = whole + decimals
    return exponent % 3 == 0 and exponent >= -9 and digits[0] != "0" and not digits.endswith("000")


def _write_binary(number: int) -> str:
    for suffix, exponent in reversed(_BINARY.items()):
        if number % 2**exponent == 0:
            return f"{number >> exponent}{suffix}"
    return str(number)


def _remove_thousands(number: Fraction) -> tuple[int, int]:
    """The integer mantissa and the exponent, a multiple of 3 and as large as it can be."""
    if not number:
        return 0, 0
    exponent = -9
    mantissa = int(number * _NANO)
    while mantissa % 1000 == 0 and exponent < 18:
        mantissa //= 1000
        exponent += 3
    return mantissa, exponent
