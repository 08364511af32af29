"""Ryu 4.34 instead of os-ken, on both backends: the same tables, the same verdict."""

import pytest

from sdn_lab import doctor
from sdn_lab.lab import Lab, Options
from sdn_lab.model.diagnostic import ApparatusError
from sdn_lab.scenario import find, load

NEEDS_RYU = pytest.mark.skipif(
    bool(doctor.lacking("ryu")), reason="Ryu 4.34 is not installed in an environment of its own: make ryu"
)


@NEEDS_RYU
@pytest.mark.parametrize("backend", ["sim", "mininet"])
def test_a_lab_of_ryu_holds_what_a_lab_of_os_ken_holds(backend):
    held = {}
    for framework in ("os-ken", "ryu"):
        with Lab(load(find("overlap")), Options(backend=backend, ryu=framework)) as lab:
            assert lab.controller.framework.startswith(framework)
            assert lab.check().status == "holds"
            held[framework] = lab.backend.snapshot().hash
    assert held["ryu"] == held["os-ken"]


def test_a_ryu_that_is_missing_is_one_sentence_before_anything_is_built(monkeypatch):
    monkeypatch.setenv(doctor.RYU_PYTHON, "/nowhere/python")
    lab = Lab(load(find("overlap")), Options(backend="sim", ryu="ryu"))
    with pytest.raises(
        ApparatusError, match=r"^Ryu 4\.34 is not installed .*: make ryu, or name its"
    ) as told:
        lab.__enter__()
    assert told.value.exit_code == 5
    assert not hasattr(lab, "backend")
