"""One hypervisor's own Open vSwitch: its database server, its switch, its two bridges.

What
----
`OpenVSwitch` starts ``ovsdb-server`` and ``ovs-vswitchd`` in the hypervisor's namespace, with all their files
in a directory of the lab's own /run, and makes

    br-int   the integration bridge: one tunnel port, the instances, a controller later
    br-phy   the physical bridge: the uplink; the tunnel endpoint's address is on its LOCAL port

Invariants
----------
1.  A bridge is ``secure``, and its in-band control off, in the very transaction that makes it, before it
    has a port.  Otherwise it floods at once (no fail mode), or holds hidden entries that flood to the
    controller's address (in-band control).
2.  br-phy holds its entries before it has a port.
3.  An OpenFlow port has the number that was asked for, or the lab fails.
4.  All paths are absolute: a relative ``--db=unix:`` or ``-t`` misses silently.  Every ``ovs-vsctl`` has
    ``--timeout``: without a ``vswitchd`` it waits for ever.
5.  Pidfiles and control sockets have their usual names, so that with OVS_RUNDIR, which `environment` has,
    ``ovs-appctl`` works as on any machine.

Reference: ovs-vsctl(8), ovs-vswitchd.conf.db(5), ovs-fields(7).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sdn_lab.backends.mininet.physical import UPLINK_OF_PORT, entries
from sdn_lab.backends.mininet.plan import ENCAPSULATION_L4_PORT, Plan, PlannedHypervisor, PlannedPort
from sdn_lab.backends.mininet.settings import COPIES, QUERY, Altered, Row, altered, read, row_of
from sdn_lab.backends.mininet.unixctl import Answer, ask
from sdn_lab.model.diagnostic import LabError
from sdn_lab.process import Spawned, run, spawn
from sdn_lab.tls import Identity

INTEGRATION, PHYSICAL, NIC, TUNNEL = "br-int", "br-phy", "nic", "tun"
_ESTABLISHED = "01"  # in /proc/net/tcp, proc(5)
_SECURE = ("fail_mode=secure", "protocols=OpenFlow13")
_OUT_OF_BAND = "other_config:disable-in-band=true"
_START_S = 15
_QUIET = ("-vconsole:off", "-vsyslog:off", "-vfile:info")
_HIGHEST_VISIBLE_PRIORITY = 65535


class OpenVSwitch:
    """Both daemons of one hypervisor and what they are told."""

    def __init__(self, directory: Path, into: Sequence[str], environment: Mapping[str, str]) -> None:
        """*into* is put before a program to run it in the hypervisor's namespace."""
        self._directory = directory
        self._into = tuple(into)
        self._database = f"unix:{directory}/db.sock"
        self._control = directory  # the switch's socket, once it has been started
        self._target: str | None = None
        self._retry_ms = 0
        self._built: dict[str, Row] = {}  # what bridges and interfaces were told, for `settings`
        self._environment = {
            **environment,
            **dict.fromkeys(("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR"), str(directory)),
        }

    @property
    def environment(self) -> Mapping[str, str]:
        """What a program needs in order to find this Open vSwitch."""
        return self._environment

    def start_database(self) -> Spawned:
        """Start ``ovsdb-server`` on a new database."""
        self._directory.mkdir(parents=True)
        self._run("ovsdb-tool", "create", f"{self._directory}/conf.db")
        return self._start_database()

    def restart_database(self, alive: Callable[[], None]) -> Spawned:
        """Start ``ovsdb-server`` on the database that is there, and wait until it answers."""
        self._forget("db.sock", "ovsdb-server.pid", "ovsdb-server.*.ctl")
        database = self._start_database()
        for socket in ("db.sock", f"ovsdb-server.{database.pid}.ctl"):
            self._await(self._directory / socket, alive, "ovsdb-server")
        return database

    def _start_database(self) -> Spawned:
        return self._spawn(
            "ovsdb-server",
            f"{self._directory}/conf.db",
            f"--remote=p{self._database}",
            f"--pidfile={self._directory}/ovsdb-server.pid",
            f"--log-file={self._directory}/ovsdb-server.log",
            *_QUIET,
        )

    def start_switch(self, alive: Callable[[], None]) -> Spawned:
        """Start ``ovs-vswitchd``.  *alive* raises if the database server ended."""
        self._await(self._directory / "db.sock", alive, "ovsdb-server")
        self.vsctl("--no-wait", "init")
        switch = self._spawn(
            "ovs-vswitchd",
            self._database,
            f"--pidfile={self._directory}/ovs-vswitchd.pid",
            f"--log-file={self._directory}/ovs-vswitchd.log",
            *_QUIET,
        )
        self._connections = Path(f"/proc/{switch.pid}/net/tcp")
        self._control = self._directory / f"ovs-vswitchd.{switch.pid}.ctl"
        return switch

    def restart_switch(self, alive: Callable[[], None]) -> Spawned:
        """Start ``ovs-vswitchd`` again, and wait until its bridges and their ports are there, empty."""
        bridges = [self.management(bridge) for bridge in (INTEGRATION, PHYSICAL)]
        self._forget("ovs-vswitchd.pid", "ovs-vswitchd.*.ctl", *(bridge.name for bridge in bridges))
        switch = self.start_switch(alive)
        for socket in (self._control, *bridges):
            self._await(socket, alive, "ovs-vswitchd")
        return switch

    def make_bridges(self, us: PlannedHypervisor, plan: Plan, alive: Callable[[], None]) -> None:
        """Make both bridges, without ports, and write br-phy's entries."""
        self._await(self._control, alive, "ovs-vswitchd")
        mac = f'other_config:hwaddr="{us.vtep_mac}"'
        dpid = f"other_config:datapath-id={us.dpid}"
        ours = (f"datapath_type={plan.datapath}", *_SECURE, _OUT_OF_BAND)
        off = {"disable-in-band": "true"}
        self._built = {
            PHYSICAL: {"other_config": {**off, "hwaddr": us.vtep_mac}},
            INTEGRATION: {"other_config": {**off, "datapath-id": us.dpid}},
            NIC: {},
            TUNNEL: {"type": plan.encap, "options": {"remote_ip": "flow", "key": "flow"}},
        }
        self.vsctl(
            *("--", "add-br", PHYSICAL, "--", "set", "bridge", PHYSICAL, *ours, mac),
            *("--", "add-br", INTEGRATION, "--", "set", "bridge", INTEGRATION, *ours, dpid),
        )
        vtep = us.vtep.partition("/")[0]
        peers = [h.vtep.partition("/")[0] for h in plan.hypervisors if h != us]
        lines = "\n".join(entries(vtep, peers, ENCAPSULATION_L4_PORT[plan.encap]))
        self.load(PHYSICAL, lines + "\n")

    def add_ports(self, us: PlannedHypervisor, plan: Plan, ports: Sequence[PlannedPort]) -> None:
        """Add the uplink, the tunnel port and the instances' ports, under the planned numbers."""
        wanted = {NIC: UPLINK_OF_PORT, TUNNEL: us.tunnel_of_port, **{p.peer: p.of_port for p in ports}}
        command = ["--", "add-port", PHYSICAL, NIC, "--", "set", "interface", NIC]
        command += [f"ofport_request={UPLINK_OF_PORT}"]
        command += ["--", "add-port", INTEGRATION, TUNNEL, "--", "set", "interface", TUNNEL]
        command += [f"type={plan.encap}", "options:remote_ip=flow", "options:key=flow"]
        command += [f"ofport_request={us.tunnel_of_port}"]
        for port in ports:
            command += ["--", "add-port", INTEGRATION, port.peer, "--", "set", "interface", port.peer]
            command += [f"ofport_request={port.of_port}"]
        command += ["--", "set", "interface", PHYSICAL, f"mtu_request={plan.underlay_mtu}"]
        self.vsctl(*command)
        self._check_numbers(us.name, wanted, {**self.ports(INTEGRATION), **self.ports(PHYSICAL)})

    def _check_numbers(self, us: str, wanted: Mapping[str, int], given: Mapping[str, int]) -> None:
        for name, number in wanted.items():
            if given.get(name) != number:
                raise LabError(
                    f"Open vSwitch on {us} gave interface {name} the OpenFlow port {given.get(name)}, "
                    f"not {number} as asked for"
                )

    def add_instance_ports(self, us: PlannedHypervisor, ports: Sequence[PlannedPort]) -> None:
        """Add instances' ports, under the planned numbers, to a bridge that is in use."""
        command: list[str] = []
        for port in ports:
            command += ["--", "add-port", INTEGRATION, port.peer, "--", "set", "interface", port.peer]
            command += [f"ofport_request={port.of_port}"]
        self.vsctl(*command)
        self._check_numbers(us.name, {p.peer: p.of_port for p in ports}, self.ports(INTEGRATION))

    def remove_ports(self, names: Sequence[str]) -> None:
        """Take ports off br-int; those that are not there are no error."""
        self.vsctl(*(word for n in names for word in ("--", "--if-exists", "del-port", INTEGRATION, n)))

    def control(self, commands: Sequence[Sequence[str]]) -> list[Answer]:
        """Give ``ovs-appctl`` commands; return what came of each."""
        return list(ask(self._control, commands))

    def bundle(self, lines: Sequence[str]) -> None:
        """Do OpenFlow messages, ``ovs-ofctl bundle`` text, on br-int: all or none."""
        self.ofctl("--bundle", "bundle", INTEGRATION, "-", stdin="".join(f"{line}\n" for line in lines))

    def ports(self, bridge: str) -> dict[str, int]:
        """Return the OpenFlow port of every interface of *bridge*, as OpenFlow tells it."""
        told = self.ofctl("dump-ports-desc", bridge)
        found = re.findall(r"^ (\w+)\(([^)]+)\): addr:", told, re.MULTILINE)
        return {name: 0xFFFFFFFE if number == "LOCAL" else int(number) for number, name in found}

    def know_peers(self, peers: Mapping[str, str]) -> None:
        """Tell the tunnel endpoint its peers' MACs: the first packet to an unknown one is lost."""
        for said, done in self.control([("tnl/neigh/set", PHYSICAL, *peer) for peer in peers.items()]):
            if not done:
                raise LabError(f"the tunnel endpoint does not learn its peers: {said}")

    def set_controller(self, target: str, identity: Identity | None = None) -> None:
        """Point br-int at a controller, ``ssl:`` with an *identity*; if it has that one, change nothing.

        The first time, Open vSwitch empties br-int's tables.
        """
        if target == self._target:
            return
        self._target = target
        proof = () if identity is None else ("--", "set-ssl", *self._keep(identity))
        self.vsctl(
            *proof,
            *("--", "set-controller", INTEGRATION, target),
            *("--", "set", "controller", INTEGRATION, "connection_mode=out-of-band"),
            "inactivity_probe=30000",
        )

    def retry_often(self) -> None:
        """Look for a lost controller every second, and not ever less often, up to every 8 s.

        Open vSwitch 3.1.0 does this for a connection that exists, and only when it is told something new.
        """
        self._retry_ms = 1001 if self._retry_ms == 1000 else 1000
        self.vsctl("--no-wait", "set", "controller", INTEGRATION, f"max_backoff={self._retry_ms}")

    def points_to(self, target: str) -> bool:
        """Say whether br-int has been told of this controller."""
        return self._target == target

    def _keep(self, identity: Identity) -> Sequence[str]:
        """Write key, certificate and authority to the lab's own /run, which is memory; return the files."""
        files = []
        for name in ("key", "certificate", "authority"):
            file = self._directory / f"{name}.pem"
            file.touch(mode=0o600)
            file.write_text(getattr(identity, name))
            files.append(str(file))
        return files

    def connected(self) -> bool:
        """Say whether br-int has a connection to its controller.

        The database's ``is_connected`` is as much as 5 s old; the namespace's own table of connections is
        not.  The management network carries no other TCP.
        """
        rows = self._connections.read_text().splitlines()[1:]
        return any(row.split()[3] == _ESTABLISHED for row in rows)

    def load(self, bridge: str, flows: str) -> None:
        """Add flow entries, ``ovs-ofctl`` text, all or none."""
        if flows.strip():
            self.ofctl("--bundle", "add-flows", bridge, "-", stdin=flows)

    def dump(self, bridge: str) -> dict[str, Any]:
        """Return what *bridge* says it holds: texts of Open vSwitch, and ports by name."""
        return {
            "flows": self.ofctl("--no-names", "dump-flows", bridge),
            "groups": self.ofctl("--no-names", "dump-groups", bridge),
            **self._settings(bridge),
            "ports": self.ports(bridge),
            "hidden": hidden_outputs(self.appctl("bridge/dump-flows", bridge)),
        }

    def management(self, bridge: str) -> Path:
        """Return the Unix socket at which *bridge* speaks OpenFlow to whoever is on its machine."""
        return self._directory / f"{bridge}.mgmt"

    def vsctl(self, *arguments: str) -> str:
        """Run ``ovs-vsctl``."""
        return self._run("ovs-vsctl", f"--db={self._database}", f"--timeout={_START_S}", *arguments)

    def ofctl(self, *arguments: str, stdin: str = "") -> str:
        """Run ``ovs-ofctl`` with OpenFlow 1.3."""
        timeout = f"--timeout={_START_S}"
        return self._run("ovs-ofctl", "-O", "OpenFlow13", timeout, *arguments, stdin=stdin)

    def appctl(self, *arguments: str) -> str:
        """Run ``ovs-appctl`` on ``ovs-vswitchd``."""
        return self._run("ovs-appctl", f"--timeout={_START_S}", "-t", str(self._control), *arguments)

    def altered(self, bridge: str) -> list[Altered]:
        """Return the settings of *bridge* and its ports that are not as built."""
        return self._altered(read(self.vsctl(*QUERY)), bridge)

    def _altered(self, tables: Mapping[str, Sequence[Row]], bridge: str) -> list[Altered]:
        return list(altered(tables, bridge, self._built, self._target if bridge == INTEGRATION else None))

    def restore_controller(self) -> None:
        """Point br-int at its own controller again, and at no other."""
        target, self._target = self._target, None
        if target is None:
            self.vsctl("del-controller", INTEGRATION)
            return
        self.set_controller(target)
        if self._retry_ms:
            self.retry_often()

    def _settings(self, bridge: str) -> dict[str, Any]:
        """Return the fail mode (None: none), what copies traffic away beside all entries, what is altered."""
        tables = read(self.vsctl(*QUERY))
        row = row_of(tables, bridge)
        mode = row["fail_mode"]
        return {
            "fail_mode": mode if isinstance(mode, str) else None,
            "copies": [name for name in COPIES if row[name] != ()],
            "altered": [setting.told for setting in self._altered(tables, bridge)],
        }

    def _run(self, *argv: str, stdin: str = "") -> str:
        return run([*self._into, *argv], timeout_s=_START_S + 5, stdin=stdin, env=self._environment).stdout

    def _spawn(self, *argv: str) -> Spawned:
        return spawn([*self._into, *argv], self._environment)

    def _forget(self, *patterns: str) -> None:
        """Remove what a daemon that was killed has left: nobody answers there."""
        for pattern in patterns:
            for left in self._directory.glob(pattern):
                left.unlink(missing_ok=True)

    def _await(self, socket: Path, alive: Callable[[], None], what: str) -> None:
        deadline = time.monotonic() + _START_S
        while not socket.exists():
            alive()
            if time.monotonic() > deadline:
                raise LabError(f"{what} was not ready within {_START_S} s")
            time.sleep(0.005)


def hidden_outputs(dump: str) -> list[str]:
    """Find entries that OpenFlow does not show and that would output: in-band control's.

    *dump* is what ``bridge/dump-flows`` says.  Table 254 is Open vSwitch's own (the packet-in of a miss
    and the drop after it).

    >>> hidden_outputs("duration=1s, priority=180001,arp,arp_op=1,actions=NORMAL")
    ['priority=180001,arp,arp_op=1,actions=NORMAL']
    """
    found: list[str] = []
    for line in dump.splitlines():
        priority = re.search(r"priority=(\d+).*", line)
        if priority is None or int(priority[1]) <= _HIGHEST_VISIBLE_PRIORITY:
            continue
        if "table_id=254" not in line and not line.rstrip().endswith("actions=drop"):
            found.append(priority[0])
    return found
