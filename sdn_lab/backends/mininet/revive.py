"""Restart what died of a hypervisor's Open vSwitch, in a lab that runs.

What
----
`menders` returns what to do for each process that can be restarted, by the name under which `Watch` knows it.
The database server keeps its file, and the switch finds in it all that it was told: bridges, ports and their
numbers, fail mode, controller, certificate.  What it does not find there it is told again: br-phy's entries,
the tunnel endpoint's address, its peers.

Why nothing opens
-----------------
Both bridges are ``secure`` in the database, so they are from the first instant, and empty: what arrives is
dropped.  br-phy's own entries, which let nothing but tunnels to known peers pass, come back first; br-int's
come from the controller.  What was tracked is forgotten: a packet of an old flow is judged as a new one.

Reference: ovs-vswitchd(8); ovs-vswitchd.conf.db(5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from sdn_lab.backends.mininet import kernel_datapath
from sdn_lab.backends.mininet.build import Built, know_peers
from sdn_lab.backends.mininet.exchange import Exchange
from sdn_lab.backends.mininet.ovs import INTEGRATION, PHYSICAL
from sdn_lab.backends.mininet.plan import PlannedHypervisor
from sdn_lab.backends.mininet.restore import restore
from sdn_lab.backends.mininet.watch import Watch


def menders(built: Built, watch: Watch, exchange: Exchange) -> Mapping[str, Callable[[], None]]:
    """Return what restarts each process that can be, databases first; each raises LabError if it cannot."""
    databases = {
        f"ovsdb-server of {us.name}": partial(_database, us, built, watch) for us in built.plan.hypervisors
    }
    switches = {
        f"ovs-vswitchd of {us.name}": partial(_switch, us, built, watch, exchange)
        for us in built.plan.hypervisors
    }
    return {**databases, **switches}


def _database(us: PlannedHypervisor, built: Built, watch: Watch) -> None:
    watch.own(f"ovsdb-server of {us.name}", built.switches[us.name].restart_database(watch.check))


def _switch(us: PlannedHypervisor, built: Built, watch: Watch, exchange: Exchange) -> None:
    switch = built.switches[us.name]
    daemon = switch.restart_switch(watch.check)
    watch.own(f"ovs-vswitchd of {us.name}", daemon)
    built.switch_pids[built.plan.hypervisors.index(us)] = daemon.pid
    if built.plan.datapath == kernel_datapath.TYPE:
        switch.control([kernel_datapath.FORGET_ALL])
    restore(switch, us, built.plan, (PHYSICAL,))
    built.hypervisors[us.name].configure(
        [f"address replace {us.vtep} dev {PHYSICAL}", f"link set {PHYSICAL} up", f"link set {INTEGRATION} up"]
    )
    know_peers(us, built)
    restore(switch, us, built.plan, (INTEGRATION,))  # its ports have their numbers, or the lab fails
    exchange.renew(us, built)
