"""What this machine can run, and what is missing: a table of needs, and one check for each.

What
----
`examine` checks every `Need` and returns findings for a person; `require` raises ApparatusError, one
sentence, for the first need of a backend that is not met.  Nothing is installed; nothing is changed, but
that a kernel loads a module of its own when it is asked whether it has it.

Where it sits
-------------
Used by:    ``sdn-lab doctor`` (prints the findings), the Mininet backend (before it starts), the tests
            (which name what they lack).
Not here:   Python's own packages that every run needs; pip sees to those.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sdn_lab import genetlink
from sdn_lab.model.diagnostic import ApparatusError, SdnLabError
from sdn_lab.process import run

RYU_PYTHON = "SDN_LAB_RYU_PYTHON"
_ASK_S = 10
_TUN = Path("/dev/net/tun")
_PROC_NS = Path("/proc/self/ns")
# The sysctls that forbid unprivileged user namespaces, and the value that does: Debian's own,
# every kernel's, and AppArmor's on recent Ubuntu.
_FORBIDDING = {
    "kernel/unprivileged_userns_clone": "0",
    "user/max_user_namespaces": "0",
    "kernel/apparmor_restrict_unprivileged_userns": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that a machine may lack.

    *check* returns what was found (a version, or a word), or None if it is missing.  *backends* need
    it; ``ryu``, the framework, and ``system``, the kernel's datapath, are none, and have needs too.
    *missing* is a sentence; *remedy* what to do.
    """

    name: str
    what_for: str
    missing: str
    remedy: str
    check: Callable[[], str | None]
    backends: tuple[str, ...] = ("mininet",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A need, and what was found: None if it is missing."""

    need: Need
    found: str | None

    @property
    def ok(self) -> bool:
        """Say whether it is there."""
        return self.found is not None


def examine() -> tuple[Finding, ...]:
    """Check everything."""
    return tuple(Finding(need=need, found=need.check()) for need in NEEDS)


def lacking(backend: str) -> tuple[Need, ...]:
    """Return what *backend* needs and this machine lacks."""
    return tuple(n for n in NEEDS if backend in n.backends and n.check() is None)


def require(backend: str) -> None:
    """Raise ApparatusError for the first thing that *backend* needs and that is missing."""
    for need in NEEDS:
        if backend in need.backends and need.check() is None:
            raise ApparatusError(f"{need.missing}: {need.remedy}")


def _program(name: str, *arguments: str) -> Callable[[], str | None]:
    """Check for a program; with *arguments*, find its version in what it prints."""

    def check() -> str | None:
        path = shutil.which(name)
        if path is None or not arguments:
            return path
        try:
            told = run([path, *arguments], _ASK_S, check=False)
        except SdnLabError:
            return None
        version = re.search(r"\d+(\.\d+)+", told.stdout + told.stderr)
        return version[0] if version else path

    return check


def _module(name: str) -> Callable[[], str | None]:
    def check() -> str | None:
        spec = importlib.util.find_spec(name)
        return None if spec is None else (spec.origin or name)

    return check


def _privilege() -> str | None:
    """Root, or a user namespace in which we are: tried, because a kernel forbids them in several ways."""
    if os.geteuid() == 0:
        return "root"
    unshare = shutil.which("unshare")
    try:
        allowed = unshare and run([unshare, "-Urnm", "true"], _ASK_S, check=False).status == 0
    except SdnLabError:
        return None
    return "an unprivileged user namespace" if allowed else None


def _privilege_remedy() -> str:
    """Say what forbids user namespaces here, if it can be told."""
    for name, forbids in _FORBIDDING.items():
        file = Path("/proc/sys", name)
        if file.exists() and file.read_text().strip() == forbids:
            allows = "100000" if name.startswith("user/") else "01"[forbids == "0"]
            return f"run it with sudo, or allow them: sudo sysctl {name.replace('/', '.')}={allows}"
    return "run it with sudo, or use --backend sim"


def _linux() -> str | None:
    return platform.release() if platform.system() == "Linux" else None


def _tun() -> str | None:
    return str(_TUN) if os.access(_TUN, os.R_OK | os.W_OK) else None


def _kernel_datapath() -> str | None:
    try:
        return "answers" if genetlink.speaks("ovs_datapath") else None
    except OSError:
        return None


def _namespaces() -> str | None:
    wanted = ("mnt", "pid", "net", "ipc", "uts")
    return ", ".join(wanted) if all((_PROC_NS / name).exists() for name in wanted) else None


def ryu_python() -> Path | None:
    """Return the interpreter of the environment that has Ryu 4.34, or None if there is none."""
    named = os.environ.get(RYU_PYTHON)
    python = Path(named) if named else Path(__file__).parent.parent / ".ryu" / "bin" / "python"
    return python if os.access(python, os.X_OK) else None


def _ryu() -> str | None:
    python = ryu_python()
    if python is None:
        return None
    told = run([str(python), "-c", "import ryu; print(ryu.version)"], _ASK_S, check=False)
    return told.stdout.strip() if told.status == 0 else None


def _open_vswitch(name: str, what_for: str, package: str, *version: str) -> Need:
    return Need(
        name=name,
        what_for=what_for,
        missing=f"there is no program {name} on PATH",
        remedy=f"install Open vSwitch, e.g. apt-get install {package}",
        check=_program(name, *version),
    )


def _tool(name: str, what_for: str, package: str, *version: str) -> Need:
    return Need(
        name=name,
        what_for=what_for,
        missing=f"there is no program {name} on PATH",
        remedy=f"install it, e.g. apt-get install {package}",
        check=_program(name, *version),
    )


NEEDS: tuple[Need, ...] = (
    Need(
        name="Linux",
        what_for="network namespaces",
        missing=f"the mininet backend runs on Linux only, and this is {platform.system()}",
        remedy="use --backend sim",
        check=_linux,
    ),
    Need(
        name="privilege",
        what_for="making namespaces and interfaces",
        missing="the mininet backend needs root or unprivileged user namespaces, and there are neither",
        remedy=_privilege_remedy(),
        check=_privilege,
    ),
    Need(
        name="namespaces",
        what_for="a lab that leaves nothing behind",
        missing="this kernel lacks a kind of namespace",
        remedy="the kernel needs CONFIG_NAMESPACES with UTS, IPC, PID and NET",
        check=_namespaces,
    ),
    Need(
        name="/dev/net/tun",
        what_for="bridge ports of Open vSwitch in userspace",
        missing="/dev/net/tun is missing or not accessible",
        remedy="load the kernel module tun, give the container the device, "
        "or let ordinary users open it: sudo chmod 666 /dev/net/tun",
        check=_tun,
    ),
    _open_vswitch("ovs-vswitchd", "the datapaths", "openvswitch-switch", "--version"),
    _open_vswitch("ovsdb-server", "the datapaths' configuration", "openvswitch-switch"),
    _open_vswitch("ovsdb-tool", "the datapaths' configuration", "openvswitch-common"),
    _open_vswitch("ovs-vsctl", "the datapaths' configuration", "openvswitch-switch"),
    _open_vswitch("ovs-ofctl", "dumping what the datapaths hold", "openvswitch-common"),
    _open_vswitch("ovs-appctl", "asking the datapaths", "openvswitch-common"),
    _tool("mnexec", "Mininet's nodes", "mininet", "-v"),
    Need(
        name="mininet",
        what_for="Mininet's nodes",
        missing="the Python module mininet is not installed",
        remedy="pip install 'sdn-lab[mininet]'",
        check=_module("mininet"),
    ),
    _tool("bash", "the shells of Mininet's nodes", "bash"),
    _tool("ip", "interfaces and addresses", "iproute2", "-V"),
    Need(
        name="openvswitch",
        what_for="the kernel's own datapath (--datapath system, not measured)",
        missing="this kernel has no openvswitch module, which --datapath system needs",
        remedy="modprobe openvswitch, or leave --datapath away: Open vSwitch forwards by itself then",
        check=_kernel_datapath,
        backends=("system",),
    ),
    Need(
        name="Ryu 4.34",
        what_for="the controller framework that os-ken continues (--ryu ryu)",
        missing="Ryu 4.34 is not installed in an environment of its own",
        remedy=f"make ryu, or name its Python interpreter in {RYU_PYTHON}",
        check=_ryu,
        backends=("ryu",),
    ),
    _tool("nft", "instances whose kernels do not answer probes", "nftables", "--version"),
)
