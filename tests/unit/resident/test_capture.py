"""`capture`: many points, one file, and each packet says where it was seen."""

import io
import signal
import struct
import subprocess
import sys

import pytest
from scapy.utils import PcapNgReader

from sdn_lab.model.diagnostic import InputError
from sdn_lab.model.observation import Overheard, PointKind, WatchPoint
from sdn_lab.resident.capture import find_point
from sdn_lab.resident.pcapng import Writer
from sdn_lab.scenario import find, load

COMMAND = sys.executable, "-m", "sdn_lab"
UP = "up", "overlap", "--name"
VM1 = WatchPoint(kind=PointKind.PORT, name="red/vm1")
HV1 = WatchPoint(kind=PointKind.UNDERLAY, name="hv1")


def read(data):
    """Return (interface, comment, bytes, seconds) of every packet, as another program reads them."""
    with PcapNgReader(io.BytesIO(data)) as reader:
        return [(p.sniffed_on, p.comments[0].decode(), p.original, p.time) for p in reader]


@pytest.mark.parametrize("length", [14, 15, 16, 17, 60, 1514, 9000])
def test_frames_of_any_length_are_read_back_with_their_point_comment_and_time(length):
    file = io.BytesIO()
    writer = Writer(file, [VM1, HV1])
    frame = bytes(range(256)) * 36
    writer.write(Overheard(point=HV1, frame=frame[:length], at_ns=1_700_000_000_123_456_789))
    writer.write(Overheard(point=VM1, frame=frame[:length], at_ns=5, sent=True))

    one, other = read(file.getvalue())
    assert one[:3] == ("underlay:hv1", "seen at underlay:hv1", frame[:length])
    assert abs(float(one[3]) - 1_700_000_000.123456789) < 1e-6
    assert other[:3] == ("port:red/vm1", "was sent at port:red/vm1", frame[:length])


def test_every_block_says_its_length_at_both_ends_and_they_fill_the_file():
    file = io.BytesIO()
    writer = Writer(file, [VM1, HV1])
    writer.write(Overheard(point=VM1, frame=b"x" * 61, at_ns=1, sent=False))
    data, kinds = file.getvalue(), []
    while data:
        kind, length = struct.unpack_from("<II", data)
        assert length % 4 == 0
        assert struct.unpack_from("<I", data, length - 4) == (length,)
        kinds.append(kind)
        data = data[length:]
    assert kinds == [0x0A0D0D0A, 1, 1, 6]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("red/vm1", "port:red/vm1"),
        ("port:red/vm1", "port:red/vm1"),
        ("hv1", "underlay:hv1"),
        ("underlay:hv1", "underlay:hv1"),
        ("management:hv2", "management:hv2"),
        ("packet_in:hv3", "packet_in:hv3"),
    ],
)
def test_a_point_is_what_a_person_means(text, meant):
    assert str(find_point(load(find("overlap")), text)) == meant


@pytest.mark.parametrize(
    "text", ["port:hv1", "underlay:red/vm1", "veth:red/vm1", "vm1", "port:", "nowhere:hv1"]
)
def test_what_is_no_point_is_refused(text):
    with pytest.raises(InputError):
        find_point(load(find("overlap")), text)


@pytest.fixture
def listening(name, tmp_path):
    """Return what starts a capture and waits until it listens."""
    started = []

    def listening(*words):
        argv = [
            sys.executable,
            "-m",
            "sdn_lab",
            "capture",
            "--name",
            name,
            *words,
            "-o",
            tmp_path / "c.pcapng",
        ]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        assert "listening at" in process.stderr.readline()
        return process, tmp_path / "c.pcapng"

    yield listening
    for process in started:
        process.kill()
        process.communicate()


def test_a_packet_is_seen_at_every_point_of_its_way(name, say, listening):
    say(*UP, name)
    process, file = listening("red/vm1", "underlay:hv1", "red/vm3", "blue/vm3")
    assert say("exec", "--name", name, "red/vm1", "--", "ping", "10.0.0.13")[0] == 0
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=30)

    assert process.returncode == 0, said
    assert "0 lost" in out
    seen = [comment for _, comment, _, _ in read(file.read_bytes())]
    assert "was sent at port:red/vm1" in seen
    assert "arrived at port:red/vm1" in seen
    assert "seen at underlay:hv1" in seen
    assert "arrived at port:red/vm3" in seen
    assert not [comment for comment in seen if "blue" in comment]


def test_count_ends_a_capture_and_time_does(name, say, listening, tmp_path):
    say(*UP, name)
    process, file = listening("red/vm1", "--count", "2")
    say("exec", "--name", name, "red/vm1", "--", "ping", "-c", "3", "10.0.0.13")
    assert process.wait(30) == 0
    assert len(read(file.read_bytes())) == 2
    code, out, _ = say("capture", "--name", name, "hv1", "--seconds", "0.2", "-o", tmp_path / "e.pcapng")
    assert (code, "0 frames" in out) == (0, True)
    assert (tmp_path / "e.pcapng").stat().st_size > 0


def test_a_full_disk_is_said_and_the_lab_is_unharmed(name, say):
    say(*UP, name)
    code, _, said = say("capture", "--name", name, "hv1", "--seconds", "0.2", "-o", "/dev/full")

    assert code == 6, said
    assert "capture failed: No space left on device" in said
    assert say("status", "--name", name)[0] == 0


@pytest.mark.parametrize(
    "words", [["--seconds", "0"], ["--count", "1.5"], ["--seconds", "nan"], ["--count", "x"]]
)
def test_a_limit_that_is_no_number_above_0_is_refused(words, say, tmp_path):
    assert say("capture", "red/vm1", *words, "-o", tmp_path / "x")[0] == 2
    assert not list(tmp_path.iterdir())
