"""Labs that stay, on the simulator, with names of their own; none outlives its test."""

import os
import uuid

import pytest

from sdn_lab.cli import main
from sdn_lab.resident.address import names


@pytest.fixture
def name():
    """Return a name for a lab; a lab of that name is down afterwards."""
    name = f"t-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    yield name
    if name in names():
        main(["down", "--name", name])
    assert name not in names()


@pytest.fixture
def say(capfd):
    """Return what runs a command: its exit code, standard output and error."""

    def say(*words):
        capfd.readouterr()
        code = main([str(word) for word in words])
        return code, *capfd.readouterr()

    return say
