"""`sdn-lab run --backend mininet` where something is missing: status 5, one sentence, nothing left."""

import os
import shutil
import subprocess
import sys

import pytest
import remains

from sdn_lab.doctor import NEEDS

PROGRAMS = [n.name for n in NEEDS if shutil.which(n.name)]


def run(argv, path=None):
    before = remains.visible()
    done = subprocess.run(
        [*argv, sys.executable, "-m", "sdn_lab", "run", "overlap", "--backend", "mininet"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **({} if path is None else {"PATH": str(path)})},
    )
    assert remains.visible() <= before
    return done.returncode, (done.stdout + done.stderr).strip()


@pytest.mark.parametrize("missing", ["ovs-vswitchd", "ovs-ofctl", "mnexec", "nft", "ip"])
def test_a_missing_program_is_named_with_its_package(tmp_path, missing):
    for name in set(PROGRAMS) - {missing}:
        (tmp_path / name).symlink_to(shutil.which(name))
    need = next(n for n in NEEDS if n.name == missing)
    status, said = run([], tmp_path)
    assert status == 5
    assert said.splitlines()[-1].endswith(f"{need.missing}: {need.remedy}")


def test_a_missing_tun_device_is_named():
    """In a mount namespace of the test's own, where /dev/net is empty."""
    hide = 'mount -n -t tmpfs none /dev/net && exec "$@"'
    status, said = run(["unshare", "--mount", "sh", "-ec", hide, "sh"])
    assert status == 5
    assert "/dev/net/tun is missing" in said.splitlines()[-1]


def test_a_missing_privilege_is_named_before_anything_is_started():
    """Root without the right to make namespaces: as in a container."""
    status, said = run(["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"])
    assert status == 5
    assert "namespaces" in said.splitlines()[-1]
