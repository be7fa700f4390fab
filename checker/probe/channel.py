"""Two-way byte streams to an agent: a process on this machine, or an exec in a Pod."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import ssl
import subprocess
import threading
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any

from kubernetes.client import CoreV1Api
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream
from kubernetes.stream.ws_client import STDERR_CHANNEL, STDIN_CHANNEL, STDOUT_CHANNEL
from websocket import WebSocketException

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kubernetes.client import ApiClient

FRAME_BYTES = 32 * 1024
END_SECONDS = 2.0


class ChannelError(Exception):
    """The stream could not be opened, or broke."""


class Channel(ABC):
    """Bytes to and from an agent. `send` from any thread; `receive` from one, which does all the input and output.

    That one thread does both since a TLS connection must not be read and written at the same time.
    """

    def __init__(self) -> None:
        self._outgoing: deque[bytes] = deque()
        self._wake_reader, self._wake_writer = os.pipe()
        self._closing = threading.Lock()
        self._closed = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_reader, selectors.EVENT_READ)

    def send(self, data: bytes) -> None:
        """Queue bytes to be sent; never blocks."""
        self._outgoing.extend(data[at : at + FRAME_BYTES] for at in range(0, len(data), FRAME_BYTES))
        self.wake()

    def wake(self) -> None:
        """Make a waiting `receive` look at its queue."""
        with self._closing:
            if not self._closed:
                os.write(self._wake_writer, b".")

    def receive(self) -> bytes:
        """Return the next bytes, nothing at the end of the stream; meanwhile send what is queued.

        Raises:
            ChannelError: the stream broke.
        """
        while True:
            for key, _ in self._selector.select(self._patience()):
                if key.fd == self._wake_reader:
                    os.read(self._wake_reader, 4096)
            try:
                self._flush()
                data = self._read()
            except (OSError, WebSocketException) as error:
                raise ChannelError(str(error) or type(error).__name__) from error
            if data is not None:
                return data

    def close(self) -> None:
        """Release the stream's own resources; called by the thread that receives, when it has ended."""
        with self._closing:
            self._closed = True
            self._selector.close()
            os.close(self._wake_reader)
            os.close(self._wake_writer)

    def _patience(self) -> float | None:
        return None

    @abstractmethod
    def complaint(self) -> str:
        """Return what the far end wrote to its standard error, once the stream has ended."""

    @abstractmethod
    def end(self) -> None:
        """Close the agent's input, from any thread, upon which it ends."""

    @abstractmethod
    def abort(self) -> None:
        """Break the stream, from any thread, so that `receive` returns whatever the far end does."""

    @abstractmethod
    def _flush(self) -> None:
        """Send what is queued."""

    @abstractmethod
    def _read(self) -> bytes | None:
        """Return bytes, nothing at the end, None if none have come."""


class ProcessChannel(Channel):
    """A process on this machine, for example `docker exec -i`.

    Raises:
        ChannelError: it cannot be started.
    """

    def __init__(self, command: Sequence[str]) -> None:
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
        except OSError as error:
            raise ChannelError(f"{command[0]}: {error.strerror}") from error
        super().__init__()
        process = self._process
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise ChannelError(f"{command[0]}: no pipes")
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._ending = False
        for file in (self._stdin, self._stdout):
            os.set_blocking(file.fileno(), False)
        self._selector.register(self._stdout, selectors.EVENT_READ)

    def complaint(self) -> str:
        """Return the process's standard error, once its output has ended."""
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return ""
        return self._stderr.read().decode(errors="replace").strip()

    def end(self) -> None:
        """Close the process's input."""
        self._ending = True
        self.wake()

    def abort(self) -> None:
        """Kill the process."""
        self._process.kill()

    def close(self) -> None:
        """Wait for the process, kill it if it does not end, and close its pipes."""
        super().close()
        for file in (self._stdin, self._stdout, self._stderr):
            with contextlib.suppress(OSError):  # what was still to be flushed has nobody to go to
                file.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _flush(self) -> None:
        while self._outgoing:
            data = self._outgoing[0]
            try:
                sent = os.write(self._stdin.fileno(), data)
            except BlockingIOError:
                self._watch_input(wanted=True)
                return
            self._outgoing[0] = data[sent:]
            if not self._outgoing[0]:
                self._outgoing.popleft()
        self._watch_input(wanted=False)
        if self._ending and not self._stdin.closed:
            self._stdin.close()

    def _watch_input(self, *, wanted: bool) -> None:
        watched = not self._stdin.closed and self._stdin in self._selector.get_map()
        if wanted and not watched:
            self._selector.register(self._stdin, selectors.EVENT_WRITE)
        elif watched and not wanted:
            self._selector.unregister(self._stdin)

    def _read(self) -> bytes | None:
        try:
            return os.read(self._stdout.fileno(), 65536)
        except BlockingIOError:
            return None


class ExecChannel(Channel):
    """A command in a Pod's container, over the API server.

    Args:
        client: used by nobody else: `stream` swaps a method of it in place.

    Raises:
        ChannelError: the API server refuses or does not answer.
    """

    def __init__(self, client: ApiClient, namespace: str, pod: str, command: Sequence[str]) -> None:
        try:
            self._stream: Any = stream(
                CoreV1Api(client).connect_get_namespaced_pod_exec,
                pod,
                namespace,
                command=list(command),
                stdin=True,
                stdout=True,
                stderr=True,
                tty=False,
                binary=True,  # a frame may end inside a character: only whole lines are decoded, by us
                _preload_content=False,
            )
        except ApiException as error:
            raise ChannelError(" ".join(str(error.reason).split())) from error
        super().__init__()
        self._errors = b""
        self._ending = False
        self._selector.register(self._stream.sock.sock, selectors.EVENT_READ)

    def complaint(self) -> str:
        """Return what came on standard error."""
        return self._errors.decode(errors="replace").strip()

    def end(self) -> None:
        """Close the command's input, or the whole stream where the protocol cannot say that."""
        self._ending = True
        self.wake()

    def abort(self) -> None:
        """Shut the connection down, below TLS, whose good-bye might block."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._stream.sock.sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection without waiting for the other side to say good-bye."""
        super().close()
        self._stream.sock.shutdown()

    def _patience(self) -> float | None:
        """Do not wait on the socket while TLS has already decrypted more than was read."""
        sock = self._stream.sock.sock
        return 0 if isinstance(sock, ssl.SSLSocket) and sock.pending() else None

    def _flush(self) -> None:
        while self._outgoing:
            self._stream.write_channel(STDIN_CHANNEL, self._outgoing.popleft())
        if self._ending:
            self._ending = False
            self._stream.close_channel(STDIN_CHANNEL)

    def _read(self) -> bytes | None:
        self._stream.update(timeout=0)
        self._errors += self._stream.read_channel(STDERR_CHANNEL, timeout=0)
        data: bytes = self._stream.read_channel(STDOUT_CHANNEL, timeout=0)
        if data:
            return data
        return None if self._stream.is_open() else b""
