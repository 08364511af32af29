"""Messages arrive whole, with their descriptors, or the channel is closed: nothing in between."""

import os
import socket
import threading

import pytest

from sdn_lab.channel import Channel, Closed


@pytest.fixture
def pair():
    one, other = socket.socketpair()
    channels = Channel(one), Channel(other)
    yield channels
    for channel in channels:
        channel.close()


def test_messages_keep_their_order_and_borders(pair):
    one, other = pair
    for n in range(3):
        one.send({"n": n, "text": "ü" * n})
    assert [other.receive()[0] for _ in range(3)] == [{"n": n, "text": "ü" * n} for n in range(3)]


def test_a_message_larger_than_the_socket_holds_arrives_whole(pair):
    one, other = pair
    text, frames = "x" * (1 << 20), [os.urandom(1500) for _ in range(2000)]
    sender = threading.Thread(target=one.send, args=({"text": text, "frames": frames},))
    sender.start()
    assert other.receive()[0] == {"text": text, "frames": frames}
    sender.join()


def test_descriptors_travel_with_their_own_message(pair):
    one, other = pair
    read, write = os.pipe()
    one.send({"n": 1})
    one.send({"n": 2}, [write])
    one.send({"n": 3})
    os.close(write)
    received = [other.receive() for _ in range(3)]
    assert [(m["n"], len(d)) for m, d in received] == [(1, 0), (2, 1), (3, 0)]
    os.write(received[1][1][0], b"through")
    os.close(received[1][1][0])
    assert os.read(read, 99) == b"through"
    os.close(read)


def test_the_end_of_the_other_side_is_closed_even_inside_a_message():
    for sent in (b"\0\0", b"\0\0\0\x10\0\0\0\0{", b"\0\0\0\x0e\0\0\0\x04" + b'{"frames":[4]}' + b"fra"):
        one, other = socket.socketpair()
        one.sendall(sent)
        one.close()
        with pytest.raises(Closed):
            Channel(other).receive()
        other.close()


def test_sending_to_nobody_is_closed(pair):
    one, other = pair
    other.close()
    with pytest.raises(Closed):
        one.send({"frames": [bytes(1 << 20)]})


def test_waiting_has_a_limit(pair):
    one, _ = pair
    one.limit(0.05)
    with pytest.raises(TimeoutError):
        one.receive()


@pytest.mark.parametrize("frames", [[], [b""], [bytes(range(256)), b"", b"frame"]])
def test_frames_travel_with_their_own_message(pair, frames):
    one, other = pair
    one.send({"n": 1, "frames": frames})
    one.send({"n": 2})
    assert [other.receive()[0] for _ in range(2)] == [{"n": 1, "frames": frames}, {"n": 2}]


def test_a_message_whose_frames_are_not_as_long_as_it_says_is_refused(pair):
    """Else a frame would be cut, or begin where another ends, and be taken for what was on the wire."""
    one, other = pair
    one._socket.sendall(b"\0\0\0\x0e\0\0\0\x03" + b'{"frames":[4]}' + b"fra")
    with pytest.raises(ValueError, match="3 bytes of frames"):
        other.receive()
