"""Labs to try things on, and a controller made of a socket."""

import socket
import threading
from contextlib import suppress

import pytest

from sdn_lab.backends.sim.lab import SimLab
from sdn_lab.compiler import compile_scenario
from sdn_lab.model.assignment import assign
from sdn_lab.openflow import action as act
from sdn_lab.openflow.entry import FlowEntry, Instructions
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.wire import frame
from sdn_lab.scenario import find, load

DEADLINE_S = 10.0


@pytest.fixture(scope="session")
def scenario():
    return load(find("overlap"))


@pytest.fixture(scope="session")
def program(scenario):
    return compile_scenario(scenario, assign(scenario)).tables


@pytest.fixture
def lab(scenario):
    with SimLab(scenario, assign(scenario)) as made:
        yield made


@pytest.fixture
def built(lab, program):
    lab.program(program)
    return lab


def entry(*actions, priority=1, goto=None, table=0, **match):
    """Return an entry that does *actions*."""
    return FlowEntry(
        table_id=table,
        priority=priority,
        match=Match.of(**match),
        instructions=Instructions(apply=actions, goto=goto),
    )


def out(of_port, max_len=0xFFFF):
    return act.Output(of_port=of_port, max_len=max_len)


class SocketController:
    """A controller that greets, answers echoes, and hands everything else to the test."""

    def __init__(self):
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.heard = []  # messages, in order of arrival
        self.changed = threading.Condition()
        self.sockets = []
        self.answer = lambda _sock, _message: None
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            self.sockets.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        with suppress(OSError):  # the other side left
            self._talk(sock)

    def _talk(self, sock):
        framer = frame.Framer()
        sock.sendall(frame.message(frame.HELLO, 0) + frame.message(frame.FEATURES_REQUEST, 1))
        while True:
            data = sock.recv(65536)
            if not data:
                return
            for message in framer.feed(data):
                if message[1] == frame.ECHO_REQUEST:
                    sock.sendall(message[:1] + bytes((frame.ECHO_REPLY,)) + message[2:])
                    continue
                self.answer(sock, message)
                with self.changed:
                    self.heard.append(message)
                    self.changed.notify_all()

    def wait_for(self, kind):
        """Return the first message of this type."""
        with self.changed:
            found = self.changed.wait_for(lambda: [m for m in self.heard if m[1] == kind], DEADLINE_S)
        assert found, f"no message of type {kind} came"
        return found[0]

    def close(self):
        """Go away as a process does: whoever waits on a socket of ours sees its end."""
        for sock in (self._listening, *self.sockets):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


@pytest.fixture
def controller():
    made = SocketController()
    yield made
    made.close()
