"""The scenario file, version 1, as pydantic models: what may be written where.

The models say the *shape* and give the JSON Schema for editors.  What needs more than one place of
the file to know (that a network exists, that an address lies inside it) is `sdn_lab.scenario.resolve`.

Where it sits
-------------
Reads:    `sdn_lab.scenario.values` (single values).
Used by:  `sdn_lab.scenario.decode`, which feeds it a document and explains what it objects to.

Forms that may be short are made long before they are checked, so that there is one form behind the
models: a lone value becomes a list of one; a group that is a list becomes ``rules``.

`BROKEN` stands for a part that was refused and reported.  The rest of the file is still checked, so
that all that is wrong is said at once.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from sdn_lab.model.intent import PortRange
from sdn_lab.scenario.complaint import quote
from sdn_lab.scenario.values import (
    Address,
    Delay,
    IcmpType,
    L4Ports,
    Loss,
    Mac,
    Name,
    NetworkPrefix,
    OwnNetwork,
    PortPath,
    Prefix,
    Queue,
    Rate,
    Vni,
    wrong,
)

T = TypeVar("T")


class Broken:
    """A part of the file that was refused; the diagnostic has been made."""


BROKEN: Final = Broken()


def is_broken(part: object) -> bool:
    """Say whether a part of the file was refused."""
    return part is BROKEN


def _let_broken_pass(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    return value if value is BROKEN else check(value)


def _one_or_many(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _group(value: Any) -> Any:
    return {"rules": value} if isinstance(value, list) else value


def _remote(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    if value == "any":
        return Remote()
    if isinstance(value, dict) and len([k for k in ("cidr", "group", "network") if k in value]) == 1:
        return check(value)
    if isinstance(value, dict) and [k for k in value if k not in {"cidr", "except", "group", "network"}]:
        check(value)  # the unknown key is the news
    fix = f"write {{cidr: {value}}}" if isinstance(value, str) and "/" in value else ""
    raise wrong(
        "SCN011",
        f"{quote(value)} is not a remote",
        "a remote is any, {cidr: PREFIX, except: [PREFIX]}, {group: NAME}, {network: NAME}, or a list",
        fix,
    )


def _word(*allowed: str) -> BeforeValidator:
    def read(value: Any) -> Any:
        if value in allowed and isinstance(value, str):
            return value
        only = f"only '{allowed[0]}' is allowed" if len(allowed) == 1 else f"allowed are {', '.join(allowed)}"
        raise wrong("SCN011", f"{quote(value)} is not known here", only)

    return BeforeValidator(read, json_schema_input_type=Literal[allowed])


class Part(BaseModel):
    """Base of all models: unknown keys are refused, nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)


Salvaged = Annotated[T, WrapValidator(_let_broken_pass)]
ProtocolWord = Annotated[str, _word("tcp", "udp", "sctp", "icmp", "any")]
Names = Annotated[list[Name], BeforeValidator(_one_or_many, json_schema_input_type=Name | list[Name])]
Addresses = Annotated[
    list[Address], BeforeValidator(_one_or_many, json_schema_input_type=Address | list[Address])
]
PortList = Annotated[
    list[Annotated[PortRange, *L4Ports.__metadata__]],
    BeforeValidator(_one_or_many, json_schema_input_type=L4Ports | list[L4Ports]),
    Field(description="one, or a list; an empty list is no port. Left out: every port"),
]


class Link(Part):
    """A link of the underlay."""

    between: Annotated[
        list[Name], Field(description="two names: site, hypervisor, or else an underlay switch")
    ]
    delay: Delay = Decimal(0)
    rate: Rate = Decimal(0)
    loss: Loss = Decimal(0)
    jitter: Annotated[Delay, Field(description="by how much the delay varies, in either direction")] = (
        Decimal(0)
    )
    queue: Queue | None = None


class Underlay(Part):
    """The physical network."""

    encap: Annotated[str, _word("vxlan", "geneve")] = "vxlan"
    mtu: Annotated[int, Field(description="of the physical network; inside it is 50 less")] = 1500
    sites: Annotated[dict[Name, list[Name]], Field(description="site: its hypervisors")]
    links: list[Salvaged[Link]] = []


class Network(Part):
    """A tenant's virtual network."""

    cidr: Annotated[
        list[NetworkPrefix],
        BeforeValidator(_one_or_many, json_schema_input_type=NetworkPrefix | list[NetworkPrefix]),
    ]
    vni: Vni | None = None
    broadcast: Annotated[
        bool, Field(description="broadcast and multicast reach the network's members; never routed")
    ] = False


class Remote(Part):
    """Whom a rule is about.  Without any field (only made from the word ``any``): everybody."""

    cidr: Prefix | None = None
    except_: Annotated[
        list[Prefix], BeforeValidator(_one_or_many, json_schema_input_type=Prefix | list[Prefix])
    ] = Field(default=[], alias="except")
    group: Name | None = None
    network: Name | None = None


OneRemote = Annotated[Remote, WrapValidator(_remote, json_schema_input_type=Remote | Literal["any"])]


class IcmpTypes(Part):
    """ICMP types by family.  A family that is not named here is not admitted."""

    v4: list[IcmpType] = []
    v6: list[IcmpType] = []


class Rule(Part):
    """What a security group allows."""

    direction: Annotated[str, _word("ingress", "egress")]
    protocol: ProtocolWord = "any"
    ports: PortList | None = None
    types: IcmpTypes | None = None
    remote: Annotated[
        list[OneRemote],
        BeforeValidator(_one_or_many, json_schema_input_type=OneRemote | list[OneRemote]),
        Field(description="a list is a union, an empty list nobody. Left out: any"),
    ] = [Remote()]


class Group(Part):
    """A security group: a list of rules, or a mapping when it says more."""

    egress: Annotated[str, _word("deny")] | None = None
    rules: list[Salvaged[Rule]] = []


class Port(Part):
    """One of several ports of an instance."""

    network: Name
    ip: Addresses
    mac: Mac | None = None
    groups: Names = []


class Instance(Part):
    """A VM or container: of one port (``network``, ``ip``), or of several (``ports``)."""

    hypervisor: Name
    network: Name | None = None
    ip: Addresses | None = None
    mac: Mac | None = None
    groups: Names | None = None
    ports: dict[Name, Salvaged[Port]] | None = None


class Router(Part):
    """Joins networks of one tenant, pairwise: network to the gateway's addresses there."""

    interfaces: Annotated[
        dict[OwnNetwork, Addresses],
        Field(description="network: the router's addresses in it, at most one of each family"),
    ]


class Tenant(Part):
    """Everything that one tenant owns."""

    networks: dict[Name, Salvaged[Network]] = {}
    security_groups: dict[
        Name,
        Salvaged[Annotated[Group, BeforeValidator(_group, json_schema_input_type=list[Rule] | Group)]],
    ] = {}
    instances: dict[Name, Salvaged[Instance]] = {}
    routers: dict[Name, Salvaged[Router]] = {}


class Traffic(Part):
    """The claim is about *all* the traffic that this names."""

    from_: PortPath = Field(alias="from")
    to: PortPath
    protocol: ProtocolWord = "any"
    ports: PortList | None = None


class Between(Part):
    """Two sites."""

    between: list[Name]


class Intent(Part):
    """One wish; exactly one key."""

    reachable: Traffic | None = None
    unreachable: Traffic | None = None
    redundant: Between | None = None


class Allowed(Part):
    """What a peering lets the first network open to the second."""

    protocol: ProtocolWord
    ports: PortList | None = None
    types: IcmpTypes | None = None


class Peering(Part):
    """Joins two networks once both tenants approve; a router on either side is needed."""

    between: Annotated[list[str], Field(description="two networks, as tenant/network")]
    approved_by: Annotated[list[Name], Field(description="open only with the tenants of both networks")] = []
    allow: Annotated[
        list[Allowed],
        Field(description="connections opened from the first to the second; an empty list is none"),
    ] = []


class Dedicated(Part):
    """Keeps hypervisors for one tenant: nobody else's instances or packets go there."""

    tenant: Name
    hypervisors: list[Name]


class File(Part):
    """A scenario file, version 1."""

    version: Literal[1]
    name: Name
    underlay: Underlay
    tenants: dict[Name, Salvaged[Tenant]]
    intents: list[Salvaged[Intent]] = []
    peerings: list[Salvaged[Peering]] = []
    dedicated: list[Salvaged[Dedicated]] = []
