"""Where a resident is found: names, the lock on them, and who is believed."""

import os

import pytest

from sdn_lab.model.diagnostic import InputError
from sdn_lab.resident import address


@pytest.fixture
def name():
    return f"test-{os.getpid()}"


@pytest.mark.parametrize("wrong", ["", "a/b", "-x", ".x", "two words", "x" * 65, "a\0b", "a\n"])
def test_a_name_that_is_unfit_for_a_socket_or_a_shell_is_refused(wrong):
    with pytest.raises(InputError, match="cannot be the name of a lab"):
        address.check_name(wrong)


@pytest.mark.parametrize("right", ["overlap", "a", "x" * 64, "lab_2.old-one"])
def test_what_people_call_labs_is_a_name(right):
    address.check_name(right)


def test_a_name_can_be_taken_once_and_again_when_it_is_let_go(name):
    first = address.take(name)
    with pytest.raises(InputError, match="already"):
        address.take(name)
    first.close()
    address.take(name).close()


def test_only_names_that_somebody_listens_on_are_listed(name):
    listener = address.take(name)
    assert name in address.names()
    client = address.reach(name)
    served, _ = listener.accept()
    listener.close()
    assert name not in address.names()  # the connection's own socket bears the name, too
    served.close()
    client.close()


def test_an_unknown_name_is_told_with_the_names_that_are_up(name):
    with address.take(name), pytest.raises(InputError, match=rf"up are: .*{name}"):
        address.reach("no-such-lab")


def test_both_ends_can_tell_who_the_other_is(name):
    with address.take(name) as listener, address.reach(name) as client:
        served, _ = listener.accept()
        with served:
            assert address.peer(served) == address.peer(client) == (os.getpid(), os.geteuid())


def test_a_resident_of_another_user_is_not_believed(name, monkeypatch):
    with address.take(name):
        monkeypatch.setattr(address, "peer", lambda _: (1, os.geteuid() + 1))
        with pytest.raises(InputError, match="there is no lab"):
            address.reach(name)
