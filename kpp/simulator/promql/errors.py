"""Why a query was refused, in the terms of Prometheus's HTTP API."""


class QueryError(Exception):
    """A query or its parameters were refused; answered to the client, never shown to kpp's user.

    Attributes:
        error_type: the `errorType` of the answer.
        status_code: the HTTP status of the answer.
    """

    error_type = "internal"
    status_code = 500


class BadDataError(QueryError):
    """The request cannot be understood, or asks for what is not supported."""

    error_type = "bad_data"
    status_code = 400


class ExecutionError(QueryError):
    """The query was understood, but these samples give it no answer."""

    error_type = "execution"
    status_code = 422


def unsupported(what: str) -> BadDataError:
    """The refusal of what Prometheus knows and this one does not."""
    return BadDataError(f"parse error: {what} is not supported by the simulated Prometheus")
