"""What a hostile kernel's messages can make the grading process hold is bounded."""

import asyncio
import time
from queue import Empty

import pytest
import zmq
import zmq.asyncio
from jupyter_client.session import Session

from instnorm_judge import provisioner
from instnorm_judge.provisioner import BoundedSession, SandboxClient

MIB = 2**20


@pytest.fixture
def session():
    return BoundedSession(key=b"key")


def sent(session, text="", buffers=()):
    """A message as it is sent."""
    message = session.msg("stream", {"name": "stdout", "text": text})
    return [*session.serialize(message, ident=b"x"), *buffers]


def parts(session, text="", buffers=()):
    """And as it arrives: signature, four texts, buffers."""
    return session.feed_identities(sent(session, text, buffers))[1]


def test_ordinary_messages_are_read(session):
    message = session.deserialize(parts(session, "hello", [b"1", b"2"]))
    assert message["content"]["text"] == "hello"
    assert [bytes(each) for each in message["buffers"]] == [b"1", b"2"]


@pytest.mark.parametrize(
    ("text", "buffers"),
    [("x" * (provisioner.MAX_TEXT + 1), []), ("", [b""] * (provisioner.MAX_PARTS + 1))],
    ids=["long text", "many parts"],
)
def test_what_is_too_large_is_not_parsed(session, monkeypatch, text, buffers):
    frames = parts(session, text, buffers)
    monkeypatch.setattr(session, "unpack", lambda text: pytest.fail("it was parsed"))
    message = session.deserialize(frames)
    assert message["msg_type"] == "too_large"
    assert message["content"] == {}
    assert message["buffers"] == []


@pytest.fixture
def listening(tmp_path):
    """A client, and a socket that can say anything to it."""
    client = SandboxClient(
        transport="ipc",
        ip=str(tmp_path / "socket"),
        shell_port=1,
        iopub_port=2,
        context=zmq.asyncio.Context(),
        session=Session(key=b""),
    )
    channel = client.iopub_channel
    with zmq.Context() as context, context.socket(zmq.PUB) as kernel:
        kernel.sndhwm, kernel.linger = 1, 0
        kernel.connect(f"ipc://{tmp_path}/socket-2")
        for _ in range(30):  # until both know of each other
            kernel.send_multipart(sent(client.session))
            if heard(channel):
                break
        else:
            pytest.fail("the client hears nothing")
        yield kernel, channel
    channel.stop()
    client.context.term()


def heard(channel):
    """Messages that have arrived."""

    async def all_of_them():
        found = []
        try:
            while True:
                found.append(await channel.get_msg(timeout=0.3))
        except Empty:
            return found

    return asyncio.run(all_of_them())


def test_messages_wait_outside(listening):
    kernel, channel = listening
    frames = sent(Session(key=b""), "", [bytes(MIB)])
    for _ in range(20 * provisioner.MAX_WAITING):
        kernel.send_multipart(frames)
        time.sleep(0.002)
    some = len(heard(channel))
    # A few are on their way: in the sender's memory and the system's.
    assert provisioner.MAX_WAITING <= some <= 2 * provisioner.MAX_WAITING


@pytest.mark.parametrize(("size", "arrives"), [(MIB, 1), (provisioner.MAX_PART + 1, 0)])
def test_a_part_that_is_too_large_is_not_taken_in(listening, size, arrives):
    kernel, channel = listening
    kernel.send_multipart(sent(Session(key=b""), "", [bytes(size)]))
    assert len(heard(channel)) == arrives
