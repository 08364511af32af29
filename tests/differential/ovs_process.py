"""Real Open vSwitch without privilege: an ovsdb-server and an ovs-vswitchd with dummy devices.

`Vswitch` is one hypervisor's pair of processes in a temporary folder: bridges of type ``dummy``, ports that
take frames over unixctl and write what they transmit to pcap files.  It is kept and refilled from test to
test, because starting one takes longer than a scenario.

How a frame is followed: ``netdev-dummy/receive`` queues it and answers; the main loop forwards it, upcalls
included, before it serves unixctl again.  It serves at most ten requests a turn, so the answer to the tenth
request after it says that whatever the frame caused has been written: nothing waits, nothing is missed.
One frame at a time: batches are dropped silently when a queue is full.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from sdn_lab.process import tied_to_caller

PROGRAMS = ("ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-ofctl")
SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
DEADLINE_S = 20.0
TURN = 10  # requests that unixctl serves in one turn of the main loop (lib/unixctl.c, run_connection)
_DECODER = json.JSONDecoder()
Call = tuple[str, tuple[str, ...]]  # of unixctl: method, arguments


def missing() -> str | None:
    """Name what is missing to run Open vSwitch, or None."""
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    if absent:
        return f"Open vSwitch's programs are missing: {', '.join(absent)} (Debian: openvswitch-switch)"
    return None if SCHEMA.exists() else f"Open vSwitch's schema is missing: {SCHEMA}"


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


class RefusedError(AssertionError):
    """Open vSwitch does not take these tables."""


class EndedError(Exception):
    """One of the processes has ended, or says nothing any more."""


class Unixctl:
    """One kept JSON-RPC connection to a daemon's control socket."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(DEADLINE_S)
        self._socket.connect(str(path))
        self._number = 0
        self._held = b""

    def call(self, method: str, *arguments: str) -> str:
        return self._calls([(method, arguments)])

    def call_and_settle(self, method: str, *arguments: str) -> str:
        """Call, and return once the daemon's main loop has been round."""
        return self._calls([(method, arguments)] + [("version", ())] * TURN)

    def call_each_and_settle(self, calls: list[Call]) -> None:
        """Call one after the other, the main loop going round behind each, all in one exchange."""
        self._calls([call for each in calls for call in (each, *[("version", ())] * TURN)])

    def _calls(self, calls: list[Call]) -> str:
        """Send all requests at once; return the first one's result.  Raises EndedError."""
        try:
            return self._exchange(calls)
        except (ConnectionError, TimeoutError) as error:
            raise EndedError(f"ovs-vswitchd: {error!r}") from None

    def _exchange(self, calls: list[Call]) -> str:
        first = self._number + 1
        self._number += len(calls)
        requests = "".join(
            _request(first + index, method, arguments) for index, (method, arguments) in enumerate(calls)
        )
        self._socket.sendall(requests.encode())
        end = f'"id":{self._number},'.encode()
        while True:
            data = self._socket.recv(1 << 20)
            if not data:
                raise ConnectionResetError("ovs-vswitchd closed the connection")
            self._held += data
            if end not in self._held or not self._held.endswith(b"}"):
                continue
            try:
                reply, _ = _DECODER.raw_decode(self._held.decode())
            except ValueError:  # that brace was inside a long result
                continue
            break
        self._held = b""
        assert reply["id"] == first, reply
        if reply["error"] is not None:
            method, arguments = calls[0]
            raise AssertionError(f"{method} {' '.join(arguments)[:200]}: {reply['error']}")
        return reply["result"]

    def close(self) -> None:
        self._socket.close()


def _request(number: int, method: str, arguments: tuple[str, ...]) -> str:
    parameters = json.dumps(arguments) if arguments else "[]"
    return f'{{"id":{number},"method":"{method}","params":{parameters}}}'


class PcapTail:
    """Frames appended to a pcap file since the last look."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY)
        self._held = b""
        self._header = False

    def new(self) -> list[bytes]:
        data = os.read(self._file, 1 << 20)
        if not data:
            return []
        self._held += data
        while len(data) == 1 << 20:
            data = os.read(self._file, 1 << 20)
            self._held += data
        at = 0
        if not self._header:
            assert len(self._held) >= 24
            self._header, at = True, 24
        frames = []
        while len(self._held) - at >= 16:
            (size,) = struct.unpack_from("=8xI", self._held, at)
            if len(self._held) - at < 16 + size:
                break
            frames.append(self._held[at + 16 : at + 16 + size])
            at += 16 + size
        self._held = self._held[at:]
        return frames

    def close(self) -> None:
        os.close(self._file)


class Vswitch:
    """One ovs-vswitchd with its database.  *bridges* are made at once, ``fail_mode=secure``."""

    def __init__(self, bridges: dict[str, str]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sdnlab-ovs-"))
        self._env = {**os.environ, "OVS_RUNDIR": str(self.folder), "OVS_LOGDIR": str(self.folder)}
        self._processes: list[subprocess.Popen[bytes]] = []
        self._tails: dict[str, PcapTail] = {}
        try:
            self._start(bridges)
        except BaseException:
            self.close()
            raise

    def _start(self, bridges: dict[str, str]) -> None:
        database, self._db = self.folder / "conf.db", self.folder / "db.sock"
        self._run("ovsdb-tool", "create", str(database), str(SCHEMA))
        self._spawn("ovsdb-server", str(database), f"--remote=punix:{self._db}", unixctl="db.ctl")
        self._await(self._db)
        self.vsctl("--no-wait", "init")
        self._spawn(
            "ovs-vswitchd",
            f"unix:{self._db}",
            "--enable-dummy",  # not "=override": that would make the tunnel port a dummy as well
            "--disable-system",
            "--disable-system-route",
            unixctl="vs.ctl",
        )
        self._await(self.folder / "vs.ctl")
        self.control = Unixctl(self.folder / "vs.ctl")
        words: list[str] = []
        for name, mac in bridges.items():
            words += ["--", "add-br", name, "--", "set", "bridge", name, "datapath_type=dummy"]
            words += ["fail_mode=secure", f"other-config:hwaddr={mac}", "protocols=OpenFlow10,OpenFlow13"]
            words += ["other-config:disable-in-band=true"]
        self.vsctl(*words)

    def _spawn(self, *argv: str, unixctl: str) -> None:
        argv += (f"--unixctl={self.folder / unixctl}", "--verbose=off", "--no-chdir")
        log = (self.folder / f"{argv[0]}.err").open("wb")
        self._processes.append(
            subprocess.Popen(argv, env=self._env, stdout=log, stderr=log, preexec_fn=tied_to_caller())  # noqa: PLW1509
        )
        log.close()

    def _await(self, path: Path) -> None:
        """Wait until a file is there, and, where it is a socket, somebody listens to it."""
        deadline = time.monotonic() + DEADLINE_S
        while not (path.exists() and (not path.is_socket() or _listens(path))):
            for process in self._processes:
                assert process.poll() is None, f"{process.args}: ended with {process.returncode}"
            assert time.monotonic() < deadline, f"{path.name} did not appear"
            time.sleep(0.005)

    def _run(self, *argv: str, stdin: str | None = None) -> str:
        try:
            done = subprocess.run(
                argv,
                env=self._env,
                input=stdin,
                capture_output=True,
                text=True,
                timeout=DEADLINE_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise EndedError(f"{argv[0]}: {error}") from None
        for process in self._processes:
            if process.poll() is not None:
                raise EndedError(f"{process.args}: ended with {process.returncode}")
        assert done.returncode == 0, f"{' '.join(argv)[:400]}: {done.stderr}"
        return done.stdout

    def vsctl(self, *words: str) -> str:
        return self._run("ovs-vsctl", f"--db=unix:{self._db}", "--timeout=15", *words)

    def ofctl(self, *words: str, stdin: str | None = None, version: str = "OpenFlow13") -> str:
        return self._run("ovs-ofctl", "-O", version, *words, stdin=stdin)

    def management(self, bridge: str) -> str:
        """The bridge's management socket, as ovs-ofctl takes it."""
        return f"unix:{self.folder / (bridge + '.mgmt')}"

    def add_ports(self, bridge: str, ports: dict[str, int]) -> None:
        """Add dummy ports, name to OpenFlow port, in one transaction."""
        words: list[str] = []
        for name, of_port in ports.items():
            words += ["--", "add-port", bridge, name, "--", "set", "interface", name, "type=dummy"]
            words += [f"ofport_request={of_port}", f"options:tx_pcap={self.folder / name}.pcap"]
        if words:
            self.vsctl(*words)
        for name in ports:
            path = self.folder / f"{name}.pcap"
            self._await(path)
            self._tails[name] = PcapTail(path)

    def load(self, bridge: str, flows: str, groups: str = "") -> None:
        """Replace all entries and groups of a bridge, atomically, and forget cached flows."""
        lines = ["flow delete", "group delete"]
        lines += [f"group add {line}" for line in groups.splitlines() if line.strip()]
        lines += [f"flow add {line}" for line in flows.splitlines() if line.strip() and line[0] != "#"]
        try:
            self.ofctl("bundle", self.management(bridge), "-", stdin="\n".join(lines))
        except AssertionError as refused:
            number = re.search(r"ovs-ofctl: -:(\d+):", str(refused))
            near = lines[int(number[1]) - 2 : int(number[1]) + 1] if number else []
            raise RefusedError("\n".join([str(refused), *near])) from None
        self.control.call("revalidator/purge")

    def dump_flows(self, bridge: str) -> str:
        return self.ofctl("dump-flows", self.management(bridge))

    def dump_groups(self, bridge: str) -> str:
        return self.ofctl("dump-groups", self.management(bridge))

    def receive(self, port: str, frame: bytes) -> None:
        """Put a frame in at a port, and return when all that it causes has been written."""
        self.control.call_and_settle("netdev-dummy/receive", port, frame.hex())

    def transmitted(self) -> dict[str, list[bytes]]:
        """Return what each port sent since the last call; ports that sent nothing are left out."""
        return {name: frames for name, tail in self._tails.items() if (frames := tail.new())}

    def flush_conntrack(self) -> None:
        self.control.call("dpctl/flush-conntrack")

    def close(self) -> None:
        for tail in self._tails.values():
            tail.close()
        if hasattr(self, "control"):
            self.control.close()
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait(timeout=DEADLINE_S)
        shutil.rmtree(self.folder, ignore_errors=True)
