"""The forms of names and labels, and the API's words for one that breaks them.

Source: k8s.io/apimachinery `pkg/util/validation/validation.go`.
"""

import re
from dataclasses import dataclass

from kpp.simulator.kubernetes.objects.resources import Resource
from kpp.simulator.kubernetes.objects.status_errors import FieldFault, invalid_value


@dataclass(frozen=True)
class NameForm:
    """What a name may look like."""

    pattern: str
    longest: int
    words: str

    def fault(self, field: str, name: str) -> FieldFault | None:
        """What is wrong with a name, None when nothing is."""
        if len(name) > self.longest:
            return invalid_value(field, name, f"must be no more than {self.longest} characters")
        if re.fullmatch(self.pattern, name) is None:
            return invalid_value(field, name, f"{self.words}, regex used for validation is '{self.pattern}')")
        return None


_PART = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS_LABEL = NameForm(
    _PART,
    63,
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
    "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc'",
)
DNS_SUBDOMAIN = NameForm(
    rf"{_PART}(\.{_PART})*",
    253,
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com'",
)
SERVICE_NAME = NameForm(
    "[a-z]([-a-z0-9]*[a-z0-9])?",
    63,
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
    "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123'",
)


def name_form(resource: Resource) -> NameForm:
    """The form that names of this resource's objects have."""
    return {"Namespace": DNS_LABEL, "Service": SERVICE_NAME}.get(resource.kind, DNS_SUBDOMAIN)
