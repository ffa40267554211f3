"""The settings of the access to Prometheus: from variables and files, checked, without showing a secret."""

import logging
import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from kpp.collector.prometheus.access import PrometheusAccess, Secret

TOKEN, TOKEN_FILE = "PROMETHEUS_TOKEN", "PROMETHEUS_TOKEN_FILE"
USER, PASSWORD, PASSWORD_FILE = "PROMETHEUS_USER", "PROMETHEUS_PASSWORD", "PROMETHEUS_PASSWORD_FILE"
HEADERS, HEADERS_FILE = "PROMETHEUS_HEADERS", "PROMETHEUS_HEADERS_FILE"
CA_FILE, CLIENT_CERTIFICATE, CLIENT_KEY = (
    "PROMETHEUS_CA_FILE",
    "PROMETHEUS_CLIENT_CERTIFICATE",
    "PROMETHEUS_CLIENT_KEY",
)
PROXY = "PROMETHEUS_PROXY"
ACCESS_VARIABLES = (
    TOKEN,
    TOKEN_FILE,
    USER,
    PASSWORD,
    PASSWORD_FILE,
    HEADERS,
    HEADERS_FILE,
    CA_FILE,
    CLIENT_CERTIFICATE,
    CLIENT_KEY,
    PROXY,
)

logger = logging.getLogger(__name__)

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\xa0-\xff]+")


class AccessFaultError(Exception):
    """What is wrong with a setting; its text holds no secret."""


def connect(url: object, values: Mapping[str, str]) -> dict[str, object]:
    """Settings of `Config`: the access, and, if there is one, the URL without its user and password.

    Args:
        url: as it was given, or None.
        values: of `ACCESS_VARIABLES`, empty where not given.

    Raises:
        AccessFaultError: as by `read_access`; or user and password are given twice.
    """
    bare, user, password = split_url(str(url or ""))
    if user is not None:
        if values.get(USER) or values.get(PASSWORD) or values.get(PASSWORD_FILE):
            raise AccessFaultError(f"user and password stand in PROMETHEUS_URL and in {USER}: remove one")
        values = {**values, USER: user, PASSWORD: password or ""}
    access = read_access(values)
    if access.is_secret and _is_overheard(bare):
        logger.warning(
            "The secrets for Prometheus go to %s unencrypted: let PROMETHEUS_URL begin with https://", bare
        )
    return {"prometheus_access": access} | ({"prometheus_url": bare} if url else {})


def check_option(url: object, in_environment: str | None) -> None:
    """Refuse a password in an option, which every user of the machine can read in the list of processes.

    Args:
        url: the option, or what the environment has if the option was not given.
        in_environment: what the environment has.

    Raises:
        AccessFaultError: the option has one.
    """
    if url not in (None, in_environment) and split_url(str(url))[1:] != (None, None):
        raise AccessFaultError(
            "--prometheus-url holds a user or a password: set PROMETHEUS_USER and PROMETHEUS_PASSWORD instead"
        )


def split_url(url: str) -> tuple[str, str | None, str | None]:
    """Take user and password out of a URL, so that they are in nothing that shows the URL.

    What is no URL is left as it is, for its check to refuse.

    >>> split_url("https://kpp:open%20sesame@store.example/prometheus")
    ('https://store.example/prometheus', 'kpp', 'open sesame')
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return url, None, None
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else url
    user, password = (
        unquote(each) if each is not None else None for each in (parts.username, parts.password)
    )
    return bare, user, password


def hide_password(url: str) -> str:
    """A URL that was refused, as it may be shown.

    >>> hide_password("http://kpp:sesa/me@[store?token=sesame")
    'http://***@[store?***'
    """
    return re.sub(r"\?.*", "?***", re.sub(r"//.*@", "//***@", url, flags=re.DOTALL), flags=re.DOTALL)


def _is_overheard(url: str) -> bool:
    """Whether others may listen in on what is sent to a URL: no TLS, and not on this machine."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "http" and not ip_address(parts.hostname or "").is_loopback
    except ValueError:  # a name; or no URL, which others refuse
        return url.startswith("http:") and not url.startswith("http://localhost")


def read_access(values: Mapping[str, str]) -> PrometheusAccess:
    """Read `ACCESS_VARIABLES`; what is absent or empty is not set.

    Raises:
        AccessFaultError: a file is not there, a value cannot be sent, or two values contradict each other.
    """
    token = _read_secret(values, TOKEN, TOKEN_FILE)
    user, password = values.get(USER) or None, _read_secret(values, PASSWORD, PASSWORD_FILE)
    if (user is None) != (password is None):
        raise AccessFaultError(f"{USER} and {PASSWORD} (or {PASSWORD_FILE}) belong together: one is missing")
    if token is not None and user is not None:
        raise AccessFaultError(f"both {TOKEN} and {USER} are set: only one of them can be sent")
    headers = _read_headers(values)
    if "authorization" in map(str.lower, headers) and (token or user):
        raise AccessFaultError(f"{HEADERS} sets Authorization, and so does {TOKEN if token else USER}")
    certificate, key = _find_file(values, CLIENT_CERTIFICATE), _find_file(values, CLIENT_KEY)
    if key is not None and certificate is None:
        raise AccessFaultError(f"{CLIENT_KEY} is set without {CLIENT_CERTIFICATE}")
    return PrometheusAccess(
        token=token,
        user=user,
        password=password,
        headers=headers,
        ca_file=_find_file(values, CA_FILE),
        client_certificate=certificate,
        client_key=key,
        proxy=_read_proxy(values),
    )


def _read_secret(values: Mapping[str, str], variable: str, file_variable: str) -> Secret | None:
    given, file = values.get(variable), _find_file(values, file_variable)
    if given and file is not None:
        raise AccessFaultError(f"both {variable} and {file_variable} are set: remove one of them")
    if file is not None:
        _check_value(_read_file(file, file_variable).strip(), file_variable)
        return Secret(file=file)
    if not given:
        return None
    _check_value(given, variable)
    return Secret(given=SecretStr(given))


def _read_headers(values: Mapping[str, str]) -> dict[str, SecretStr]:
    """`Name: value`, in the variable parted by `;`, in the file one a line."""
    file = _find_file(values, HEADERS_FILE)
    lines = [(HEADERS, text) for text in values.get(HEADERS, "").split(";")]
    if file is not None:
        lines += [(HEADERS_FILE, text) for text in _read_file(file, HEADERS_FILE).splitlines()]
    headers: dict[str, SecretStr] = {}
    for variable, line in lines:
        if not line.strip():
            continue
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not _HEADER_NAME.fullmatch(name):
            raise AccessFaultError(f"{variable} is not written as `Name: value`")
        _check_value(value, f"{variable}, header {name},")
        headers[name] = SecretStr(value)
    return headers


def _read_proxy(values: Mapping[str, str]) -> SecretStr | None:
    text = values.get(PROXY)
    if not text:
        return None
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AccessFaultError(f"{PROXY} is no URL of an HTTP proxy, as http://proxy.example:3128")
    return SecretStr(text)


def _find_file(values: Mapping[str, str], variable: str) -> Path | None:
    text = values.get(variable)
    if not text:
        return None
    if not Path(text).is_file():
        raise AccessFaultError(f"{variable} is {text!r}: there is no such file")
    return Path(text)


def _read_file(path: Path, variable: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise AccessFaultError(f"{variable} is {str(path)!r}: {error.strerror}") from None
    except UnicodeError:
        raise AccessFaultError(f"{variable} is {str(path)!r}: the file is no text in UTF-8") from None


def _check_value(value: str, variable: str) -> None:
    """Refuse what no header can hold, here and not in a library, whose error would show it."""
    if not value:
        raise AccessFaultError(f"{variable} is empty")
    if not _HEADER_VALUE.fullmatch(value):
        raise AccessFaultError(f"{variable} holds a line break or another character that cannot be sent")
