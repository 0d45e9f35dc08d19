"""TLS in memory, over a socket that is read elsewhere, so that the kernel's stamps can be read."""

import ssl


class Tls:
    """One TLS session, with sealed bytes on one side and plain bytes on the other."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    def handshake(self, received: bytes) -> tuple[bytes, bool]:
        """Take `received`; return the bytes to send now, and whether the handshake is over."""
        if received:
            self._incoming.write(received)
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            return self._outgoing.read(), False
        return self._outgoing.read(), True

    def seal(self, plain: bytes) -> bytes:
        """`plain` sealed, as bytes for the socket."""
        view = memoryview(plain)
        while view:
            view = view[self._ssl.write(view) :]
        return self._outgoing.read()

    def open(self, received: bytes) -> tuple[list[bytes], bool]:
        """The plain bytes that `received` completes, and whether the peer has closed its side."""
        self._incoming.write(received)
        plain: list[bytes] = []
        try:
            while part := self._ssl.read(65536):
                plain.append(part)
        except ssl.SSLWantReadError:
            return plain, False
        except ssl.SSLZeroReturnError:
            return plain, True
        return plain, True

    def reply(self) -> bytes:
        """The bytes that the protocol itself wants to send (key updates, alerts)."""
        return self._outgoing.read()
