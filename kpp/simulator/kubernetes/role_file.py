"""A file of Roles, for `kpp simulate --role`: what they grant is all that may be done."""

from pathlib import Path

import yaml

from kpp.errors import InputError
from kpp.simulator.kubernetes.api.access import Rule, read_rules


def read_role_file(path: Path, namespace: str = "default") -> list[Rule]:
    """The rules of all Roles and ClusterRoles in a file; other objects in it are left out.

    Raises:
        InputError: it cannot be read, is no YAML, or holds no Role.
    """
    mend = "name a file like deploy/rbac.yaml"
    try:
        manifests = [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each]
        rules = read_rules(manifests, namespace)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path), mend=mend) from error
    except yaml.YAMLError as error:
        raise InputError(f"no YAML: {' '.join(str(error).split())}", where=str(path), mend=mend) from error
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"no manifests of Roles: {error!r}", where=str(path), mend=mend) from error
    if not rules:
        raise InputError("holds no Role with rules", where=str(path), mend=mend)
    return rules
