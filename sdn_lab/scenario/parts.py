"""The parts of a scenario file by path: which model each has, which stand alone, what each is called.

Used by `sdn_lab.scenario.decode`.  A path is one in the models (a group's rules are always below
``rules``), with `ANY` for a step that can be any name or index.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sdn_lab.scenario import format as format_
from sdn_lab.scenario.document import Path
from sdn_lab.scenario.format import Part

ANY: Final = "*"  # stands for one step of a path
KEY: Final = "[key]"  # pydantic's last step when a key, not its value, is at fault
UNITS: tuple[Path, ...] = (
    ("tenants", ANY, "networks", ANY),
    ("tenants", ANY, "security_groups", ANY, "rules", ANY),
    ("tenants", ANY, "security_groups", ANY),
    ("tenants", ANY, "instances", ANY, "ports", ANY),
    ("tenants", ANY, "instances", ANY),
    ("tenants", ANY, "routers", ANY),
    ("tenants", ANY),
    ("underlay", "links", ANY),
    ("intents", ANY),
    ("peerings", ANY),
    ("dedicated", ANY),
)
MODELS: tuple[tuple[Path, type[Part]], ...] = (
    ((), format_.File),
    (("underlay",), format_.Underlay),
    (("underlay", "links", ANY), format_.Link),
    (("tenants", ANY), format_.Tenant),
    (("tenants", ANY, "networks", ANY), format_.Network),
    (("tenants", ANY, "security_groups", ANY), format_.Group),
    (("tenants", ANY, "security_groups", ANY, "rules", ANY), format_.Rule),
    (("tenants", ANY, "security_groups", ANY, "rules", ANY, "remote", ANY), format_.Remote),
    (("tenants", ANY, "security_groups", ANY, "rules", ANY, "types"), format_.IcmpTypes),
    (("tenants", ANY, "instances", ANY), format_.Instance),
    (("tenants", ANY, "instances", ANY, "ports", ANY), format_.Port),
    (("tenants", ANY, "routers", ANY), format_.Router),
    (("intents", ANY), format_.Intent),
    (("intents", ANY, "reachable"), format_.Traffic),
    (("intents", ANY, "unreachable"), format_.Traffic),
    (("intents", ANY, "redundant"), format_.Between),
    (("peerings", ANY), format_.Peering),
    (("peerings", ANY, "allow", ANY), format_.Allowed),
    (("peerings", ANY, "allow", ANY, "types"), format_.IcmpTypes),
    (("dedicated", ANY), format_.Dedicated),
)
STAND_INS: Mapping[Path, object] = {
    ("version",): 1,
    ("name",): "unnamed",
    ("tenants",): {},
    ("underlay", "sites"): {},
    ("underlay",): {"sites": {}},
}


def fits(unit: Path, path: Path) -> bool:
    """Say whether *path* is, or lies in, a part of the form *unit*."""
    return len(path) >= len(unit) and all(u in (ANY, p) for u, p in zip(unit, path, strict=False))


def called(path: Path) -> str:
    """Name a part of the file for a sentence."""
    words = [p for p in path if p != KEY]
    match words:
        case []:
            return "the file"
        case ["tenants", tenant]:
            return f"tenant '{tenant}'"
        case ["tenants", tenant, "networks", name]:
            return f"network '{tenant}/{name}'"
        case ["tenants", tenant, "security_groups", name]:
            return f"security group '{tenant}/{name}'"
        case ["tenants", tenant, "security_groups", name, "rules", int(index)]:
            return f"rule {index} of '{tenant}/{name}'"
        case ["tenants", tenant, "security_groups", name, int(index)]:
            return f"rule {index} of '{tenant}/{name}'"
        case ["tenants", tenant, "instances", name]:
            return f"instance '{tenant}/{name}'"
        case ["tenants", tenant, "instances", name, "ports", port]:
            return f"port '{tenant}/{name}:{port}'"
        case ["tenants", tenant, "routers", name]:
            return f"router '{tenant}/{name}'"
        case ["peerings", int(index)]:
            return f"peering {index}"
        case ["underlay", "links", int(index)]:
            return f"link {index}"
        case ["intents", int(index), *_] if len(words) < 4:
            return f"intent {index}"
        case [*_, int(index)]:
            return f"item {index} of {called(tuple(words[:-1]))}"
        case _:
            return f"'{words[-1]}'"


def known_keys(path: Path) -> list[str]:
    """Return the keys that may stand in the mapping at *path*, sorted."""
    model = next(m for where, m in MODELS if len(where) == len(path) and fits(where, path))
    return sorted(info.alias or name for name, info in model.model_fields.items())
