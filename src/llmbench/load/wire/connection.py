"""The timed connection: one class on a non-blocking socket that reads, stamps and appends.

The stamp of a read is the kernel's: ``SO_TIMESTAMPNS`` makes ``recvmsg`` bring along the
moment at which the data's last segment reached the socket, however late this process reads it
(docs/load.md). httptools finds the end of the message; everything else is left for later.
"""

import asyncio
import socket
from collections.abc import Callable
from time import monotonic_ns

import httptools

from llmbench.clock import offset_ns
from llmbench.load.wire.acknowledged import acked_bytes
from llmbench.load.wire.exchange import Exchange, Failure
from llmbench.load.wire.polling import add_socket, poller_of, remove_socket, seen_empty_ns
from llmbench.load.wire.tls import Tls
from llmbench.records import ErrorKind

READ_BYTES = 65536
"""The most that one read takes: many tokens, and several records of TLS (16 KiB each)."""

ANCILLARY_BYTES = 64
"""Room for the kernel's stamp: a header of 16 bytes and two numbers of 8."""

IDLE_CHECK_NS = 1_000_000
"""A connection that was idle for longer (1 ms) is looked at before it is used again.

On one that was used just now, the event loop has not missed the server's end.
"""


class Connection:
    """One open connection, used for one exchange after another.

    `done` is called with each exchange when it is over, well or not; `usable` says whether the
    connection can be used again. `on_idle_end` is called when the server ends it while idle.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        tls: Tls | None,
        connect_ns: int,
        done: Callable[[Exchange], None],
    ) -> None:
        self._loop, self._sock, self._tls, self._done = loop, sock, tls, done
        self.connect_ns = connect_ns
        self.usable = True
        self.on_idle_end: Callable[[], None] = lambda: None
        self.exchange: Exchange | None = None
        self._acked: int | None = None  # bytes that the peer had acknowledged before the request
        self._idle_since_ns = monotonic_ns()
        self._unsent = memoryview(b"")
        self._chunks: list[bytes] = []
        self._headers: list[tuple[bytes, bytes]] = []
        self._has_headers = self._complete = self._extra = self._keep = False
        self.on_body = self._chunks.append  # no Python frame for each chunk
        self._parser = httptools.HttpResponseParser(self)
        self._recvmsg = sock.recvmsg
        self._poller = poller_of(loop)
        self._reads_before_end = 0  # of the last answer; 0: not known
        add_socket(loop, sock.fileno(), self._readable if tls is None else self._readable_tls)

    def send(self, payload: bytes, exchange: Exchange) -> bool:
        """Write the request; False when the server has closed this idle connection meanwhile."""
        if not self.usable or (self._idle_too_long() and not self._still_open()):
            self.close()
            return False
        sealed = payload if self._tls is None else self._tls.seal(payload)
        self.exchange = exchange
        exchange.chunks, exchange.headers = self._chunks, self._headers  # copied at the end
        self._has_headers = self._complete = self._extra = self._keep = False
        self._acked = acked_bytes(self._sock)
        exchange.offset_sent_ns = offset_ns()
        exchange.sent_ns = monotonic_ns()
        self._write(memoryview(sealed))
        return True

    def fail(self, kind: ErrorKind, message: str) -> None:
        """End the exchange under way as a failure, and the connection with it."""
        self._end((kind, message), keep=False)

    def close(self) -> None:
        """Close the socket; a request under way stays unanswered."""
        if self._sock.fileno() >= 0:
            remove_socket(self._loop, self._sock.fileno())
            self._loop.remove_writer(self._sock.fileno())
            self._sock.close()
        self.usable = False

    # the parser calls these methods

    def on_message_begin(self) -> None:
        self._extra = self._complete

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._has_headers = True

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() >= 200:
            self._complete = True
            self._keep = self._parser.should_keep_alive()  # the parser knows it only here
        else:  # an interim answer; the real one follows
            self._has_headers = False
            self._headers.clear()

    # reading, which is timed

    def _readable(self) -> None:
        try:
            data, ancillary, _, _ = self._recvmsg(READ_BYTES, ANCILLARY_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lost(error)
            return
        now = monotonic_ns()
        exchange = self.exchange
        if exchange is None or not data:
            self._closed()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not self._complete:
                self._unparsable(error)
                return
            self._extra = True
        reads = exchange.reads
        reads.append((ancillary[0][2] if ancillary else b"", now, len(self._chunks)))
        if self._complete:
            self._end(None, keep=self._keep and not self._extra)
        elif exchange.watch is not None and (words := exchange.watch(exchange)):
            self.fail("hung_up", words)
        elif len(reads) == self._reads_before_end:
            self._hurry()

    def _readable_tls(self) -> None:
        try:
            data, ancillary, _, _ = self._recvmsg(READ_BYTES, ANCILLARY_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lost(error)
            return
        now = monotonic_ns()
        if not data:
            self._closed()
            return
        self._decrypted(data, ancillary[0][2] if ancillary else b"", now)

    def _decrypted(self, data: bytes, stamp: bytes, now: int) -> None:
        """The rest of a read on a TLS connection; session tickets may come while idle."""
        assert self._tls is not None
        exchange = self.exchange
        try:
            parts, closed = self._tls.open(data)
            for part in parts if exchange is not None else ():
                self._parser.feed_data(part)
        except httptools.HttpParserError as error:
            if not self._complete:
                self._unparsable(error)
                return
            parts, closed = [data], True
        except OSError as error:
            self._lost(error)
            return
        self._write(memoryview(self._tls.reply()))
        if exchange is not None and parts:
            exchange.reads.append((stamp, now, len(self._chunks)))
        if exchange is not None and self._complete:
            keep = self._keep and not self._extra and not closed
            self._end(None, keep=keep)
        elif closed or (parts and exchange is None):
            self._closed()
        elif exchange is not None and exchange.watch and (words := exchange.watch(exchange)):
            self.fail("hung_up", words)
        elif exchange is not None and len(exchange.reads) == self._reads_before_end:
            self._hurry()

    def _hurry(self) -> None:
        """The last answer ended with its next read: this one's end must not wait for a rest."""
        if self._poller is not None:
            self._poller.hurry(self._sock.fileno())

    # ends

    def _end(self, failure: Failure | None, *, keep: bool) -> None:
        exchange = self.exchange
        if exchange is None:
            return
        self.exchange = None
        exchange.chunks, exchange.headers = self._chunks[:], self._headers[:]
        exchange.status = self._parser.get_status_code() if self._has_headers else None
        exchange.polled_ns = seen_empty_ns(self._loop)
        self._reads_before_end = len(exchange.reads) - 1
        if self._poller is not None:
            self._poller.unhurry(self._sock.fileno())
        exchange.finish(failure)
        self._chunks.clear()
        self._headers.clear()
        self._idle_since_ns = exchange.done_ns
        if not keep or self._unsent:
            self.close()
        self._done(exchange)

    def _closed(self) -> None:
        """End the connection of a peer that closed it, or that sent what nobody asked for."""
        exchange = self.exchange
        if exchange is None:
            self._idle_end()
        elif self._crossed(exchange):
            self._give_back(exchange)
        elif self._has_headers and self._close_delimited():
            self._end(None, keep=False)
        else:
            what = "in the middle of" if exchange.reads else "before"
            self._end(("cut", f"the server closed the connection {what} its response"), keep=False)

    def _lost(self, error: OSError) -> None:
        if self.exchange is None:
            self._idle_end()
        else:
            self._end(("reset", f"the connection broke: {error.strerror or error}"), keep=False)

    def _idle_end(self) -> None:
        self.close()
        self.on_idle_end()

    def _unparsable(self, error: httptools.HttpParserError) -> None:
        self._end(("malformed", f"not HTTP: {str(error) or 'upgrade'}"), keep=False)

    def _crossed(self, exchange: Exchange) -> bool:
        """Whether the peer's close crossed the request on the way, so that it never arrived.

        The end of a peer that has got the request acknowledges it. A reset acknowledges nothing:
        after one nobody knows, and the request has failed.
        """
        return (
            not exchange.reads
            and not exchange.resent
            and self._acked is not None
            and acked_bytes(self._sock) == self._acked
        )

    def _give_back(self, exchange: Exchange) -> None:
        """End without a result: the lane sends the request again, on a new connection."""
        self.exchange = None
        self.close()
        exchange.sent_ns = None
        exchange.resent += 1
        self._done(exchange)

    def _close_delimited(self) -> bool:
        names = {name for name, _ in self._headers}
        return b"content-length" not in names and b"transfer-encoding" not in names

    # writing

    def _write(self, view: memoryview) -> None:
        if self._unsent:
            self._unsent = memoryview(bytes(self._unsent) + bytes(view))
            return
        try:
            view = view[self._sock.send(view) :] if view else view
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:  # an answer may still be there to be read; the reader finds out
            view = memoryview(b"")
        self._unsent = view
        if view:
            self._loop.add_writer(self._sock.fileno(), self._writable)

    def _writable(self) -> None:
        self._loop.remove_writer(self._sock.fileno())
        view, self._unsent = self._unsent, memoryview(b"")
        self._write(view)

    def _idle_too_long(self) -> bool:
        return monotonic_ns() - self._idle_since_ns > IDLE_CHECK_NS

    def _still_open(self) -> bool:
        """Whether nothing waits to be read, which on an idle connection could only be its end."""
        try:
            waiting = self._sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        return bool(waiting) and self._tls is not None  # TLS may send session tickets
