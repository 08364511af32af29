"""A real Open vSwitch without privilege: dummy datapath, in a directory of its own."""

from __future__ import annotations

import shutil
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


def eventually(done: Callable[[], object], what: str | Callable[[], str], timeout_s: float = 5.0) -> object:
    """Poll until *done* is true and return it; fail with *what* did not happen."""
    deadline = time.monotonic() + timeout_s
    while not (result := done()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what() if callable(what) else what}")
        time.sleep(0.01)
    return result


class DummyOvs:
    """One ovsdb-server and one ovs-vswitchd; bridges on demand."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("ovs-vswitchd") is None:
            pytest.skip("Open vSwitch's programs are missing: apt install openvswitch-switch")
        self.folder = folder
        self.env = {"OVS_RUNDIR": str(folder), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        self._db = f"unix:{folder}/db.sock"
        self._daemons: list[subprocess.Popen[bytes]] = []
        self._run("ovsdb-tool", "create", f"{folder}/conf.db", SCHEMA)
        self._daemon("ovsdb-server", f"{folder}/conf.db", f"--remote=punix:{folder}/db.sock")
        self.vsctl("--no-wait", "--retry", "init")
        self._daemon("ovs-vswitchd", self._db, "--enable-dummy", "--disable-system", "--disable-system-route")
        self.vsctl("--retry", "show")

    def _run(self, *argv: str) -> str:
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0, (argv, done.stderr)
        return done.stdout

    def _daemon(self, name: str, *argv: str) -> None:
        log = f"--log-file={self.folder}/{name}.log"
        unixctl = f"--unixctl={self.folder}/{name}.ctl"
        quiet = subprocess.DEVNULL
        self._daemons.append(
            subprocess.Popen([name, *argv, log, unixctl], env=self.env, stdin=quiet, stderr=quiet)
        )

    def vsctl(self, *argv: str) -> str:
        return self._run("ovs-vsctl", "--timeout=10", f"--db={self._db}", *argv)

    def ofctl(self, verb: str, bridge: str, *argv: str) -> str:
        where = f"{self.folder}/{bridge}.mgmt"
        flags = ("-O", "OpenFlow13", "--timeout=10", "--no-names", "--no-stats")
        return self._run("ovs-ofctl", *flags, verb, where, *argv)

    def appctl(self, *argv: str) -> str:
        return self._run("ovs-appctl", "-t", f"{self.folder}/ovs-vswitchd.ctl", *argv)

    def add_bridge(self, name: str, dpid: str, ports: dict[str, int]) -> None:
        """A secure bridge with dummy ports (their interfaces are called BRIDGE-PORT)."""
        argv = [
            "--", "add-br", name,
            "--", "set", "bridge", name, "datapath_type=dummy", "fail_mode=secure",
            "protocols=OpenFlow13", f"other_config:datapath-id={dpid}", "other_config:disable-in-band=true",
        ]  # fmt: skip
        for port, of_port in ports.items():
            argv += [
                "--", "add-port", name, f"{name}-{port}",
                "--", "set", "interface", f"{name}-{port}", "type=dummy", f"ofport_request={of_port}",
                f"options:tx_pcap={self.folder}/{name}-{port}.pcap",
            ]  # fmt: skip
        self.vsctl(*argv)

    def add_tunnel(self, bridge: str, of_port: int, vtep: str, peers: dict[str, str]) -> str:
        """A VXLAN port as the lab makes it; return the underlay bridge, whose port ``nic`` carries frames."""
        underlay = f"u{bridge}"
        self.add_bridge(underlay, f"00000000{abs(hash(underlay)) % 16**8:08x}", {"nic": 1})
        self.vsctl(
            "--", "add-port", bridge, f"{bridge}-vx",
            "--", "set", "interface", f"{bridge}-vx", "type=vxlan", f"ofport_request={of_port}",
            "options:remote_ip=flow", "options:key=flow",
        )  # fmt: skip
        self.ofctl("add-flow", underlay, "actions=normal")
        self.appctl("netdev-dummy/ip4addr", underlay, f"{vtep}/16")
        self.appctl("ovs/route/add", f"{vtep}/16", underlay)
        for address, mac in peers.items():
            self.appctl("tnl/neigh/set", underlay, address, mac)
        return underlay

    def connect(self, bridge: str, l4_port: int) -> None:
        """Set the controller: its first time empties the tables (prototype, trap 3)."""
        self.vsctl(
            "set-controller", bridge, f"tcp:127.0.0.1:{l4_port}",
            "--", "set", "controller", bridge, "max_backoff=1000", "inactivity_probe=0",
        )  # fmt: skip

    def dump_flows(self, bridge: str) -> list[str]:
        text = self.ofctl("dump-flows", bridge)
        return sorted(line.strip() for line in text.splitlines() if "actions=" in line)

    def receive(self, bridge: str, port: str, frame: bytes) -> None:
        """Let a frame enter at a port."""
        self.appctl("netdev-dummy/receive", f"{bridge}-{port}", frame.hex())

    def transmitted(self, bridge: str, port: str) -> list[bytes]:
        """The frames that have left by a port so far."""
        data = (self.folder / f"{bridge}-{port}.pcap").read_bytes()
        frames, offset = [], 24
        while offset + 16 <= len(data):
            (length,) = struct.unpack_from("<I", data, offset + 8)
            frames.append(data[offset + 16 : offset + 16 + length])
            offset += 16 + length
        return frames

    def stop(self) -> None:
        for daemon in reversed(self._daemons):
            daemon.kill()
            daemon.wait(timeout=10)
