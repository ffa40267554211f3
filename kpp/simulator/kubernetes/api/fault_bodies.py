"""What an API server says in an answer that a script of faults makes it give."""

from kpp.simulator.kubernetes.api.access import attributes_of, forbidden
from kpp.simulator.kubernetes.api.representations import encode
from kpp.simulator.kubernetes.api.target import Target, parse_path
from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.kubernetes.objects.status_errors import StatusError, conflict

_USER = "system:anonymous"
_WORDS = {
    429: ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "the server was unable to return a response in the time allotted"),
}


def status_body(code: int, method: str, path: str, retry_after_seconds: int | None) -> bytes:
    """The Status object for an error code, as JSON; a `BodyMaker` of `kpp.simulator.faults`."""
    return encode(_status_error(code, method, parse_path(path), retry_after_seconds).as_status())


def _status_error(
    code: int, method: str, target: Target | None, retry_after_seconds: int | None
) -> StatusError:
    details: Json = {} if retry_after_seconds is None else {"retryAfterSeconds": retry_after_seconds}
    if code == 401:
        return StatusError(401, "Unauthorized", "Unauthorized")
    if code == 403:
        return _forbidden(method, target)
    if code == 409 and target is not None:
        return conflict(target.resource, target.name or "")
    if code in _WORDS:
        return StatusError(code, *_WORDS[code], details)
    causes = [{"message": "a scripted fault"}]
    message = "Internal error occurred: a scripted fault"
    return StatusError(code, "InternalError", message, details | {"causes": causes})


def _forbidden(method: str, target: Target | None) -> StatusError:
    if target is None:
        return StatusError(403, "Forbidden", f'forbidden: User "{_USER}" cannot {method.lower()} path')
    return forbidden(attributes_of(method, target, is_watch=False), _USER)
