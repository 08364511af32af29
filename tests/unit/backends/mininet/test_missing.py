"""What is missing is one sentence: what it is, and what to install.  Exit 5; nothing was started."""

import os
import shutil

import pytest

from sdn_lab import doctor
from sdn_lab.backends.mininet.lab import MininetLab
from sdn_lab.doctor import NEEDS, examine, lacking, require
from sdn_lab.model.diagnostic import ApparatusError

PROGRAMS = [n.name for n in NEEDS if shutil.which(n.name)]
OPEN_VSWITCH = ["ovs-vswitchd", "ovsdb-server", "ovsdb-tool", "ovs-vsctl", "ovs-ofctl", "ovs-appctl"]


@pytest.fixture
def path_without(tmp_path, monkeypatch):
    """Return a function that leaves everything on PATH but one program."""

    def leave_out(missing):
        for name in {n.name for n in NEEDS} - {missing}:
            program = shutil.which(name)
            if program:
                (tmp_path / name).symlink_to(program)
        monkeypatch.setenv("PATH", str(tmp_path))

    return leave_out


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_missing_program_is_named_with_its_package(path_without, monkeypatch, program):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    path_without(program)
    need = next(n for n in NEEDS if n.name == program)
    assert need in lacking("mininet")
    assert next(f for f in examine() if f.need == need).ok is False
    assert program in need.missing
    assert "apt-get install" in need.remedy


def first_missing(monkeypatch, broken):
    """Return the sentence when exactly the needs named *broken* are not met."""
    needs = tuple(
        doctor.Need(
            name=n.name,
            what_for=n.what_for,
            missing=n.missing,
            remedy=n.remedy,
            check=(lambda: None) if n.name in broken else (lambda: "there"),
            backends=n.backends,
        )
        for n in NEEDS
    )
    monkeypatch.setattr(doctor, "NEEDS", needs)
    with pytest.raises(ApparatusError) as caught:
        require("mininet")
    assert caught.value.exit_code == 5
    return str(caught.value)


@pytest.mark.parametrize("need", [n for n in NEEDS if "mininet" in n.backends], ids=lambda n: n.name)
def test_each_need_stops_the_backend_in_one_sentence(monkeypatch, need):
    said = first_missing(monkeypatch, {need.name})
    assert said == f"{need.missing}: {need.remedy}"
    assert "\n" not in said


def test_missing_privilege_is_said_before_missing_programs(monkeypatch):
    said = first_missing(monkeypatch, {"privilege", *OPEN_VSWITCH})
    assert said.startswith("the mininet backend needs root or unprivileged user namespaces")


def test_the_simulator_needs_nothing_of_it(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert lacking("sim") == ()
    require("sim")


def test_nothing_is_started_when_something_is_missing(monkeypatch):
    from sdn_lab.backends.mininet.backend import MininetBackend

    monkeypatch.setattr(MininetLab, "__init__", lambda *_: pytest.fail("a lab was started"))
    monkeypatch.setattr(doctor, "_TUN", doctor.Path("/nonexistent/tun"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(ApparatusError):
        MininetBackend().start(None, None, seed=0, progress=None)
