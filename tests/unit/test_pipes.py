"""Bytes between kernel and rank: frames that come in pieces, readers that do not read, displays among printed lines."""

import os
import pickle
import socket
import struct
import threading
import time
from multiprocessing.connection import Connection

import pytest

from mgpu_lab.engine.backends.pipes import Channel, Line, Pipes
from mgpu_lab.engine.output import MAX_DISPLAYS, CellOutput
from mgpu_lab.rank.voice import Voice
from mgpu_lab.wire.messages import Display, mark


class Ear:
    """Keep all that is told, in order."""

    def __init__(self):
        self.told = []

    def heard(self, message):
        self.told.append(message)

    def printed(self, stream, data):
        self.told.append((stream, data))

    def hung_up(self):
        self.told.append("hung up")

    def wait_for(self, last, seconds=5):
        deadline = time.monotonic() + seconds
        while last not in self.told and time.monotonic() < deadline:
            time.sleep(0.001)
        assert last in self.told


@pytest.fixture(scope="module")
def pipes():
    return Pipes()


@pytest.fixture
def rank(pipes):
    """Both ends of a rank's connections: (ear, line, its requests, its stdout)."""
    (here, there), (control, far_control) = socket.socketpair(), socket.socketpair()
    (out, out_write), (err, err_write) = os.pipe(), os.pipe()
    for fd in (out, err):
        os.set_blocking(fd, False)
    ear = Ear()
    line = Line(Channel(here), Channel(control), out, err, ear)
    pipes.add(line)
    connection = Connection(there.detach())
    yield ear, line, connection, out_write
    pipes.remove(line, lambda: None)
    for end in (here, control, far_control):
        end.close()
    for fd in (out, out_write, err, err_write):
        os.close(fd)


def test_what_was_printed_before_an_answer_comes_before_it(rank):
    ear, _, connection, out = rank
    for number in range(50):
        os.write(out, b"%d\n" % number)
        connection.send(number)
    ear.wait_for(49)
    printed = b"\n"
    for told in ear.told:
        if isinstance(told, int):
            assert b"\n%d\n" % told in printed
        else:
            printed += told[1]


def test_large_messages_come_whole_and_unreadable_ones_are_left_out(rank):
    ear, _, connection, _ = rank
    connection.send_bytes(b"no pickle")
    connection.send(bytes(3_000_000))
    connection.send("after")
    ear.wait_for("after")
    assert ear.told == [bytes(3_000_000), "after"]


def test_who_reads_nothing_holds_nobody_up(rank, pipes):
    _, line, connection, _ = rank
    messages = [bytes([number]) * 500_000 for number in range(8)]
    began = time.monotonic()
    for message in messages:
        pipes.send(line.requests, pickle.dumps(message))
    assert time.monotonic() - began < 1
    assert [connection.recv() for _ in messages] == messages


def test_the_end_is_told_once_after_everything_else(rank):
    ear, line, connection, out = rank
    os.write(out, b"last words")
    connection.send("bye")
    connection.close()
    ear.wait_for("hung up")
    line.hang_up()
    assert ear.told == [("stdout", b"last words"), "bye", "hung up"]


def test_a_frame_in_pieces():
    here, there = socket.socketpair()
    channel, frame = Channel(here), b"\0\0\0\5hello"
    for i in range(len(frame)):
        there.send(frame[i : i + 1])
        assert channel.receive() == ([b"hello"] if i == len(frame) - 1 else [])
    there.close()
    with pytest.raises(EOFError):
        channel.receive()
    here.close()


def test_two_threads_send_whole_frames():
    here, there = socket.socketpair()
    channel, connection = Channel(here), Connection(there.detach())
    threads = [threading.Thread(target=lambda n=n: [channel.send(pickle.dumps(n)) for _ in range(50)]) for n in "ab"]
    for thread in threads:
        thread.start()
    assert sorted(connection.recv() for _ in range(100)) == ["a"] * 50 + ["b"] * 50
    here.close()


def test_a_rank_hears_messages_however_they_are_cut():
    """Two in one read, one in many, one that is longer than a read, and one whose length takes twelve bytes."""
    here, there = socket.socketpair()
    voice, sent = Voice(Connection(there.detach())), ["a", "b", b"c" * 100_000, "d"]
    frames = [pickle.dumps(each) for each in sent]
    stream = b"".join(struct.pack("!i", len(each)) + each for each in frames)
    stream += struct.pack("!iQ", -1, len(frames[0])) + frames[0]
    threading.Thread(target=lambda: [here.sendall(stream[i : i + 9000]) for i in range(0, len(stream), 9000)]).start()
    assert [voice.wait(5) and voice.hear() for _ in range(5)] == [*sent, "a"]
    assert not voice.wait(0)
    voice.say("x" * 50_000)
    voice.say(7)
    channel, frames = Channel(here), []
    while len(frames) < 2:
        frames += channel.receive()
    assert [pickle.loads(each) for each in frames] == ["x" * 50_000, 7]  # noqa: S301 - made above
    here.close()


# ---- displays among printed lines


def shown(output):
    return [item if isinstance(item, str) else item.data for item in output.items()]


def picture(number, **more):
    return Display({"text/plain": f"picture {number}"}, {}, number=number, **more)


@pytest.mark.parametrize("piece", [1, 3, 1000])
@pytest.mark.parametrize("early", [True, False])
def test_displays_stand_where_their_marks_were(piece, early):
    """However the text is cut, and whichever way is quicker."""
    output, text = CellOutput(), b"a\n" + mark(1) + mark(2) + b"b\0c\n" + mark(3)
    before, after = ((1, 2, 3), ()) if early else ((), (1, 2, 3))
    for number in before:
        output.show(picture(number))
    for i in range(0, len(text), piece):
        output.write("stdout", text[i : i + piece])
    for number in after:
        output.show(picture(number))
    assert shown(output) == ["a\n", picture(1).data, picture(2).data, "b\0c\n", picture(3).data]


def test_a_display_whose_mark_was_lost_comes_last():
    output = CellOutput()
    output.show(picture(1))
    output.write("stdout", b"text")
    assert shown(output) == ["text", picture(1).data]


@pytest.mark.parametrize("text", [b"abc\0", b"abc\0mgpu_lab display 12", b"\0mgpu_lab display 1x\0"])
def test_what_only_looks_like_a_mark_is_text(text):
    output = CellOutput()
    output.write("stdout", text)
    assert shown(output) == [text.decode()]


def test_an_update_takes_the_place_of_what_it_updates():
    output = CellOutput()
    output.write("stdout", mark(1) + b"text")
    output.show(picture(1, display_id="x"))
    output.show(Display({"text/plain": "new"}, {}, "x", update=True))
    assert shown(output) == [{"text/plain": "new"}, "text"]


def test_too_many_displays_are_counted():
    output = CellOutput()
    for number in range(1, MAX_DISPLAYS + 8):
        output.write("stdout", mark(number))
        output.show(picture(number))
    assert len(shown(output)) == MAX_DISPLAYS + 1
    assert shown(output)[-1] == "[... 7 more displays cut here ...]\n"
