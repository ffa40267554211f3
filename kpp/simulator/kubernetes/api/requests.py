"""What a request carries besides its path: query parameters, bodies, selections."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from kpp.simulator.kubernetes.api.target import Target
from kpp.simulator.kubernetes.objects.listing import Selection
from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.kubernetes.objects.selectors import (
    parse_field_selector,
    parse_label_selector,
    selects,
)
from kpp.simulator.kubernetes.objects.status_errors import (
    bad_request,
    invalid,
    not_supported,
    too_large_version,
    unsupported_media_type,
)

_BODY_TYPES = ("application/json", "application/yaml")


@dataclass(frozen=True)
class ApiRequest:
    """A request to a path of the API, read completely."""

    method: str
    target: Target
    query: Mapping[str, str]
    content_type: str  # without parameters, lower case
    accept: str
    body: bytes

    @property
    def namespace(self) -> str:
        """The namespace of the path, "" when it has none."""
        return self.target.namespace or ""

    def flag(self, name: str) -> bool:
        """A query parameter that is true or false; given without a value it is true.

        Raises:
            StatusError: 400, it is neither.
        """
        text = self.query.get(name, "false").lower()
        if text in ("", "1", "t", "true"):
            return True
        if text in ("0", "f", "false"):
            return False
        raise bad_request(f'{name}: strconv.ParseBool: parsing "{text}": invalid syntax')

    def count(self, name: str, default: int = 0) -> int:
        """A query parameter that is a whole number, not negative.

        Raises:
            StatusError: 400, it is none.
        """
        text = self.query.get(name) or str(default)
        if not text.isdecimal():
            raise bad_request(f'{name}: strconv.ParseInt: parsing "{text}": invalid syntax')
        return int(text)

    def version(self, present: int) -> int | None:
        """The `resourceVersion` asked for, None when any will do.

        Raises:
            StatusError: 400, it is no version; 504, the server has not got there yet.
        """
        text = self.query.get("resourceVersion", "")
        if text in ("", "0"):
            return None
        if not text.isdecimal():
            raise bad_request(f'resourceVersion: Invalid value: "{text}"')
        if int(text) > present:
            raise too_large_version(int(text), present)
        return int(text)

    def is_dry_run(self) -> bool:
        """Whether the request is to be checked and answered, and nothing stored.

        Raises:
            StatusError: 422, it asks for another kind of dry run than `All`.
        """
        asked = self.query.get("dryRun")
        if asked is None:
            return False
        if asked != "All":
            options = {"POST": "CreateOptions", "PUT": "UpdateOptions", "DELETE": "DeleteOptions"}
            kind = options.get(self.method, "PatchOptions")
            raise invalid(kind, "meta.k8s.io", "", [not_supported("dryRun", asked, ["All"])])
        return True

    def selection(self) -> Selection:
        """What a list, a watch or a deletion of a collection covers.

        Raises:
            StatusError: 400, a selector is malformed.
        """
        resource = self.target.resource
        labels = parse_label_selector(self.query.get("labelSelector", ""))
        fields = parse_field_selector(self.query.get("fieldSelector", ""), resource)
        is_filtered = bool(self.query.get("labelSelector") or self.query.get("fieldSelector"))
        return Selection(
            resource,
            self.target.namespace,
            lambda manifest: selects(labels, manifest) and fields(manifest),
            is_filtered,
        )

    def read_object(self) -> Json:
        """The object in the body.

        Raises:
            StatusError: 415, it is neither JSON nor YAML; 400, it is no object.
        """
        if self.content_type and self.content_type not in _BODY_TYPES:
            raise unsupported_media_type(_BODY_TYPES)
        kind = self.target.resource.kind
        problem = f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind"
        try:
            content: Any = (
                yaml.safe_load(self.body)
                if self.content_type == "application/yaml"
                else json.loads(self.body)
            )
        except (ValueError, yaml.YAMLError) as error:
            raise bad_request(f"{problem}; json parse error: {error}") from error
        if not isinstance(content, dict):
            raise bad_request(f"{problem}; json parse error: it is no object")
        return content

    def read_options(self) -> Json:
        """The DeleteOptions in the body or the query; the body goes first."""
        query = {key: value for key, value in self.query.items() if key != "dryRun"}
        options = self.read_object() if self.body.strip() else {}
        is_dry_run = bool(options.get("dryRun")) or self.is_dry_run()
        return query | options | {"dryRun": is_dry_run}
