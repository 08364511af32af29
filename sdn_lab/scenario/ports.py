"""Instances and their ports: attached to something that exists, with addresses of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sdn_lab.model.intent import IPAddress, Network, Port
from sdn_lab.scenario import format as format_
from sdn_lab.scenario.complaint import listed, quote
from sdn_lab.scenario.derive import derived_mac
from sdn_lab.scenario.document import Path
from sdn_lab.scenario.format import is_broken
from sdn_lab.scenario.reading import Reading, whole
from sdn_lab.scenario.taken import Owner, Taken


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """One port as the file has it, whichever of the two forms that was."""

    name: str
    tenant: str
    instance: str
    hypervisor: str
    path: Path  # of the mapping that holds network, ip, mac and groups
    port: format_.Port


def resolve_ports(reading: Reading, networks: tuple[Network, ...], taken: Taken) -> tuple[Port, ...]:
    """Check all instances and return their ports, sorted by path; note in *taken* what they have."""
    by_name = {n.path: n for n in networks}
    ports = [_port(reading, written, by_name, taken) for written in _written(reading)]
    return tuple(sorted(ports, key=lambda p: p.path))


def _written(reading: Reading) -> Iterator[_Written]:
    for tenant_name, tenant in reading.tenants():
        for name, instance in whole(tenant.instances):
            path: Path = ("tenants", tenant_name, "instances", name)
            reading.refer("hypervisor", instance.hypervisor, (*path, "hypervisor"))
            for port_name, port, where in _ports(reading, name, instance, path):
                yield _Written(
                    name=f"{tenant_name}/{port_name}",
                    tenant=tenant_name,
                    instance=f"{tenant_name}/{name}",
                    hypervisor=instance.hypervisor,
                    path=where,
                    port=port,
                )


def _ports(
    reading: Reading, name: str, instance: format_.Instance, path: Path
) -> Iterator[tuple[str, format_.Port, Path]]:
    """Give ``(name, port, path)``; an instance's one port has the instance's name."""
    full_name = f"{path[1]}/{name}"
    if instance.ports is None:
        missing = [key for key in ("network", "ip") if getattr(instance, key) is None]
        for key in missing:
            reading.blame(
                "SCN006", path, f"instance '{full_name}' has no '{key}'", f"'{key}' is required here"
            )
        if instance.network is not None and instance.ip is not None:
            port = format_.Port.model_construct(
                network=instance.network, ip=instance.ip, mac=instance.mac, groups=instance.groups or []
            )
            yield name, port, path
        return
    both = [key for key in ("network", "ip", "mac", "groups") if getattr(instance, key) is not None]
    if both:
        reading.blame(
            "SCN039",
            (*path, both[0]),
            f"instance '{full_name}' has 'ports' and also '{both[0]}' of its own",
            "with several ports, each has its own network, ip, mac and groups",
            f"move '{both[0]}' into the port that it belongs to",
        )
    if not instance.ports:
        reading.blame(
            "SCN039", (*path, "ports"), f"instance '{full_name}' has no port", "it needs at least one"
        )
    several = len(instance.ports) > 1
    for port_name, port in whole(instance.ports):
        yield (f"{name}:{port_name}" if several else name), port, (*path, "ports", port_name)


def _port(reading: Reading, written: _Written, networks: dict[str, Network], taken: Taken) -> Port:
    port, path, name = written.port, written.path, written.name
    reading.written("port", name, path)
    network = f"{written.tenant}/{port.network}"
    reading.refer("network", port.network, (*path, "network"), written.tenant)
    for index, group in enumerate(port.groups):
        reading.refer("security group", group, (*path, "groups", index), written.tenant)
        if group in port.groups[:index]:
            reading.blame(
                "SCN042", (*path, "groups", index), f"port '{name}' names group {quote(group)} twice"
            )
    if not port.ip:
        reading.blame("SCN006", (*path, "ip"), f"port '{name}' has no address", "it needs at least one")
    for index, ip in enumerate(port.ip):
        _check_ip(reading, name, ip, (*path, "ip", index), networks.get(network))
        here: Path = (*path, "ip", index)
        other = taken.ips.setdefault((network, ip), Owner(kind="port", name=name, path=here))
        if other.path != here:
            who = "twice" if other.name == name else f"and so has '{other.name}', in network '{network}'"
            reading.blame("SCN018", here, f"port '{name}' has address {ip} {who}", first=other.path)
    return Port(
        path=name,
        tenant=written.tenant,
        instance=written.instance,
        network=network,
        hypervisor=written.hypervisor,
        mac=_mac(reading, written, network, taken),
        ips=tuple(sorted(set(port.ip), key=lambda a: (a.version, a))),
        groups=tuple(sorted({f"{written.tenant}/{g}" for g in port.groups})),
    )


def _mac(reading: Reading, written: _Written, network: str, taken: Taken) -> str:
    mac = written.port.mac or derived_mac(written.name)
    path = (*written.path, "mac") if written.port.mac else written.path
    other = taken.macs.setdefault((network, mac), Owner(kind="port", name=written.name, path=path))
    if other.name != written.name:
        reading.blame(
            "SCN019",
            path,
            f"port '{written.name}' has MAC {mac}, and so has '{other.name}', in network '{network}'",
            "" if written.port.mac else "it was derived from the port's path",
            "write another 'mac'" if written.port.mac else "write a 'mac' here",
            first=other.path,
        )
    return mac


def _check_ip(reading: Reading, port: str, ip: IPAddress, path: Path, network: Network | None) -> None:
    if network is None or not network.cidrs:
        return
    prefix = next((c for c in network.cidrs if c.version == ip.version and ip in c), None)
    if prefix is None:
        prefixes = [str(c) for c in network.cidrs]
        likely = [str(c) for c in network.cidrs if c.version == ip.version] or prefixes
        reading.blame(
            "SCN017",
            path,
            f"port '{port}' has address {ip}, outside its network",
            f"network '{network.path}' is {listed(prefixes)}",
            f"choose an address in {likely[0]}, or attach '{port}' to a network that contains {ip}",
        )
        return
    spare_bits = prefix.max_prefixlen - prefix.prefixlen
    if spare_bits < 2:
        return  # point-to-point prefixes have neither (RFC 3021, RFC 6164)
    if ip == prefix.network_address:
        kind = "network address" if ip.version == 4 else "subnet-router anycast address"
        reading.blame(
            "SCN015", path, f"{ip} cannot be the address of an instance", f"it is the {kind} of {prefix}"
        )
    elif ip.version == 4 and ip == prefix.broadcast_address:
        reading.blame(
            "SCN015",
            path,
            f"{ip} cannot be the address of an instance",
            f"it is the broadcast address of {prefix}",
        )


def _is_half(instance: format_.Instance) -> bool:
    if instance.ports is None:
        return instance.network is None or instance.ip is None
    return any(is_broken(port) for port in instance.ports.values())


def broken_instances(reading: Reading) -> set[str]:
    """Return ``tenant/instance`` of what was refused: a reference to it is not to be blamed."""
    found = set()
    for tenant_name, tenant in reading.tenants():
        for name, instance in tenant.instances.items():
            if is_broken(instance) or _is_half(instance):
                found.add(f"{tenant_name}/{name}")
    return found
