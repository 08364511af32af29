"""The control socket is spoken to as ovs-appctl does, and a switch that is not there is one sentence."""

from __future__ import annotations

import json
import socket
import threading

import pytest

from sdn_lab.backends.mininet.unixctl import ask
from sdn_lab.model.diagnostic import LabError


def serve(path, answers):
    """A switch that reads one request, gives one answer, in small pieces; then closes."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    heard = []

    def run():
        sock, _ = listener.accept()
        with sock, listener:
            for answer in answers:
                heard.append(json.loads(sock.recv(4096)))
                for start in range(0, len(answer), 7):
                    sock.sendall(answer[start : start + 7])

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return heard


def test_each_command_gets_its_answer_however_it_is_cut(tmp_path):
    heard = serve(
        tmp_path / "ctl",
        [
            json.dumps({"id": 0, "result": "x" * 50, "error": None}).encode(),
            b'\n {"id":1,"result":null,"error":"no such thing\\n"}',
        ],
    )

    said = list(ask(tmp_path / "ctl", [("dpctl/dump-conntrack",), ("a", "zone=1", "b=2")]))

    assert said == [("x" * 50, True), ("no such thing", False)]
    assert [(h["method"], h["params"]) for h in heard] == [
        ("dpctl/dump-conntrack", []),
        ("a", ["zone=1", "b=2"]),
    ]


def test_a_switch_that_dies_in_between_is_an_error(tmp_path):
    serve(tmp_path / "ctl", [b'{"id":0,"resu'])

    with pytest.raises(LabError, match="ovs-vswitchd does not answer at ctl: it closed the connection"):
        list(ask(tmp_path / "ctl", [("version",)]))


def test_a_switch_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(LabError, match="ovs-vswitchd does not answer"):
        list(ask(tmp_path / "nobody", [("version",)]))
