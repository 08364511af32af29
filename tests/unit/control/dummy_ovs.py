"""A real Open vSwitch without privilege: dummy datapath, in a directory of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


class DummyOvs:
    """One ovsdb-server and one ovs-vswitchd; bridges on demand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {"OVS_RUNDIR": str(folder), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        self._db = f"unix:{folder}/db.sock"
        self._daemons: list[subprocess.Popen[bytes]] = []
        self._run("ovsdb-tool", "create", f"{folder}/conf.db", SCHEMA)
        self._daemon("ovsdb-server", f"{folder}/conf.db", f"--remote=punix:{folder}/db.sock")
        self.vsctl("--no-wait", "--retry", "init")
        self._daemon(
            "ovs-vswitchd", self._db, "--enable-dummy=override", "--disable-system", "--disable-system-route"
        )
        self.vsctl("--retry", "show")

    def _run(self, *argv: str) -> str:
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0, (argv, done.stderr)
        return done.stdout

    def _daemon(self, name: str, *argv: str) -> None:
        log = f"--log-file={self.folder}/{name}.log"
        unixctl = f"--unixctl={self.folder}/{name}.ctl"
        self._daemons.append(
            subprocess.Popen(
                [name, *argv, log, unixctl, "-vconsole:off"], env=self.env, stdin=subprocess.DEVNULL
            )
        )

    def vsctl(self, *argv: str) -> str:
        return self._run("ovs-vsctl", "--timeout=10", f"--db={self._db}", *argv)

    def ofctl(self, *argv: str) -> str:
        return self._run("ovs-ofctl", "-O", "OpenFlow13", "--timeout=10", *argv)

    def appctl(self, *argv: str) -> str:
        return self._run("ovs-appctl", "-t", f"{self.folder}/ovs-vswitchd.ctl", *argv)

    def add_bridge(self, name: str, dpid: str, ports: dict[str, int]) -> None:
        """A secure bridge with dummy ports, none of them in use for control."""
        argv = [
            "--", "add-br", name,
            "--", "set", "bridge", name, "datapath_type=dummy", "fail_mode=secure",
            "protocols=OpenFlow13", f"other_config:datapath-id={dpid}", "other_config:disable-in-band=true",
        ]  # fmt: skip
        for port, of_port in ports.items():
            argv += [
                "--", "add-port", name, port,
                "--", "set", "interface", port, "type=dummy", f"ofport_request={of_port}",
                f"options:tx_pcap={self.folder}/{port}.pcap",
            ]  # fmt: skip
        self.vsctl(*argv)

    def bridge_path(self, name: str) -> str:
        return f"{self.folder}/{name}.mgmt"

    def dump_flows(self, name: str) -> list[str]:
        text = self.ofctl("--no-stats", "--no-names", "dump-flows", self.bridge_path(name))
        return sorted(line.strip() for line in text.splitlines() if "actions=" in line)

    def stop(self) -> None:
        for daemon in reversed(self._daemons):
            daemon.kill()
            daemon.wait(timeout=10)
