"""Messages arrive whole, with their descriptors, or the channel is closed: nothing in between."""

import os
import socket
import threading

import pytest

from sdn_lab.backends.mininet.channel import Channel, Closed, frame_of, text_of


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
    frames = [text_of(os.urandom(1500)) for _ in range(2000)]
    sender = threading.Thread(target=one.send, args=({"frames": frames},))
    sender.start()
    assert other.receive()[0]["frames"] == frames
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
    one, other = socket.socketpair()
    one.sendall(b"\0\0\0\x10{")
    one.close()
    with pytest.raises(Closed):
        Channel(other).receive()
    other.close()


def test_sending_to_nobody_is_closed(pair):
    one, other = pair
    other.close()
    with pytest.raises(Closed):
        one.send({"frames": "x" * (1 << 20)})


def test_waiting_has_a_limit(pair):
    one, _ = pair
    one.limit(0.05)
    with pytest.raises(TimeoutError):
        one.receive()


def test_frames_survive():
    for frame in (b"", bytes(range(256))):
        assert frame_of(text_of(frame)) == frame
