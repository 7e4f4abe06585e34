"""Messages over a connected stream socket, each with a deadline for all of it."""

from __future__ import annotations

import socket
import struct
import time
from typing import Any

from .protocol import MAX_MESSAGE, ProtocolError, decode, encode


class Late(ProtocolError):
    """The other side did not answer, or not listen, in time."""


class Channel:
    """Messages over a connected stream socket, with a deadline for each whole message, however slowly it drips."""

    def __init__(self, connection: socket.socket) -> None:
        """Take over a connected socket."""
        self.connection = connection

    def send(self, value: Any, seconds: float = 30.0) -> None:
        """Encode and send a value."""
        self.send_bytes(encode(value), seconds)

    def send_bytes(self, message: bytes, seconds: float = 30.0) -> None:
        """Send an encoded message."""
        deadline = time.monotonic() + seconds
        view = memoryview(message)
        while view:
            self.connection.settimeout(_left(deadline, seconds))
            try:
                view = view[self.connection.send(view) :]
            except TimeoutError:
                raise Late(f"nobody listened for {seconds:g} s") from None
            except OSError as error:
                raise ProtocolError("the process ended") from error

    def receive(self, seconds: float, most: int = MAX_MESSAGE, tensors: bool = True) -> Any:
        """The next value, within ``seconds`` from now and in at most ``most`` bytes.

        Raises:
            Late: it did not come in time, however much of it came.
            ProtocolError: what came is no message, or nothing comes any more.
        """
        deadline = time.monotonic() + seconds
        (size,) = struct.unpack("!Q", self._read(8, deadline, seconds))
        if not 4 <= size <= most:
            raise ProtocolError(f"a message of {size} bytes (at most {most})")
        return decode(self._read(size, deadline, seconds), tensors)

    def close(self) -> None:
        """Close the socket."""
        self.connection.close()

    def _read(self, count: int, deadline: float, seconds: float) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            self.connection.settimeout(_left(deadline, seconds))
            try:
                part = self.connection.recv(min(count - len(parts), 2**20))
            except TimeoutError:
                raise Late(f"no answer within {seconds:g} s") from None
            except OSError as error:
                raise ProtocolError("the process ended") from error
            if not part:
                raise ProtocolError("the process ended")
            parts += part
        return bytes(parts)


def _left(deadline: float, seconds: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise Late(f"no answer within {seconds:g} s")
    return left
