"""How Prometheus is asked: in whose name, by which way, whom to trust. Secrets are kept out of sight."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from pydantic import SecretStr

from kpp.errors import PrometheusError

SHORTEST_SECRET = 4  # a shorter one would blot out parts of ordinary words
BLOT = "***"


@dataclass(frozen=True)
class Secret:
    """A secret that was given, or the file that holds it; neither its text nor its record shows it."""

    given: SecretStr | None = None
    file: Path | None = None

    def reveal(self) -> str:
        """The secret itself. A file is read each time, because tokens in files are exchanged while kpp runs.

        Raises:
            PrometheusError: the file cannot be read.
        """
        if self.given is not None:
            return self.given.get_secret_value()
        assert self.file is not None, "a secret is given or in a file"
        try:
            return self.file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            mend = "check the file that the settings of the access name"
            raise PrometheusError(
                f"a secret cannot be read: {reason}", where=str(self.file), mend=mend
            ) from None


@dataclass(frozen=True)
class PrometheusAccess:
    """What a store for Prometheus may ask of its clients; nothing of it is an option of a command.

    Attributes:
        token: a bearer token.
        user: for basic authentication, with `password`.
        headers: header name to value, as a tenant's; values count as secrets.
        ca_file: certificates to trust instead of the usual ones, PEM.
        client_certificate: PEM, with the key unless `client_key` holds it.
        proxy: URL of an HTTP proxy, which may hold a password.
    """

    token: Secret | None = None
    user: str | None = None
    password: Secret | None = None
    headers: Mapping[str, SecretStr] = field(default_factory=dict)
    ca_file: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    proxy: SecretStr | None = None

    def authorization(self) -> str | None:
        """The value of the header `Authorization`, if there is one.

        >>> PrometheusAccess(user="kpp", password=Secret(SecretStr("sesame"))).authorization()
        'Basic a3BwOnNlc2FtZQ=='

        Raises:
            PrometheusError: the file of a secret cannot be read.
        """
        if self.token is not None:
            return f"Bearer {self.token.reveal()}"
        if self.user is not None and self.password is not None:
            pair = f"{self.user}:{self.password.reveal()}"
            return f"Basic {base64.b64encode(pair.encode()).decode()}"
        return None

    @property
    def is_secret(self) -> bool:
        """Whether a question carries something that others must not read."""
        return bool(self.token or self.password or self.headers)

    def redact(self, text: str) -> str:
        """Blot out every secret that a text repeats, as some servers do in their refusals.

        >>> PrometheusAccess(token=Secret(SecretStr("sesame"))).redact("no such token: sesame")
        'no such token: ***'
        """
        for secret in sorted(self._secrets(), key=len, reverse=True):
            if len(secret) >= SHORTEST_SECRET:
                text = text.replace(secret, BLOT)
        return text

    def _secrets(self) -> Iterator[str]:
        """Each secret, in the forms in which it travels."""
        try:
            kept = [secret.reveal() for secret in (self.token, self.password) if secret is not None]
            if self.password is not None:
                kept.append((self.authorization() or "").removeprefix("Basic "))
        except PrometheusError:  # the file is gone, and with it the secret
            kept = []
        kept += [value.get_secret_value() for value in self.headers.values()]
        if self.proxy is not None:
            kept.append(unquote(urlsplit(self.proxy.get_secret_value()).password or ""))
        for secret in kept:
            yield secret
            yield quote(secret, safe="")
