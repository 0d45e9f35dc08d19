"""A line of requests: connections that are kept alive, and the request under way on one of them."""

import asyncio
import errno
import os
import ssl
from collections.abc import Callable, Mapping

from llmbench.access import UNTRUSTED_HINT
from llmbench.config import ConfigError
from llmbench.load.loops.aborting import guarded
from llmbench.load.plan.planned_request import PlannedRequest
from llmbench.load.wire.connecting import connect
from llmbench.load.wire.connection import Connection
from llmbench.load.wire.exchange import Exchange
from llmbench.load.wire.target import Target
from llmbench.process import open_files_limit
from llmbench.records import ErrorKind

Finished = Callable[["Lane", PlannedRequest, Exchange], None]


class Lane:
    """Sends one request at a time, and replaces its connection if the server closed it.

    `finished` is called at once with each request that ended, well or not, and sends the next one
    before anything is decoded. `targets` are the instances, by number, that it may turn to; it
    begins with the first of them.
    """

    def __init__(self, targets: Mapping[int, Target], finished: Finished, user: int = 0) -> None:
        self.user = user
        self.replica = min(targets)
        self.requests = 0  # sent so far
        self.begun = 0  # requests that were made, or conversations of them
        self.upcoming: PlannedRequest | None = None  # prepared ahead
        self.failures_to_connect = 0  # in a row
        self.refusals = 0  # in a row, by a server that was busy
        self.on_idle_end: Callable[[], None] = lambda: None  # the server closed it
        self.planned: PlannedRequest | None = None
        self.exchange: Exchange | None = None
        self._targets, self._finished = targets, finished
        self._target = targets[self.replica]
        self._connection: Connection | None = None
        self._kept: dict[int, Connection | None] = {}  # those to other instances
        self._opening: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the connection is open, as far as the event loop knows."""
        return self._connection is not None and self._connection.usable

    async def open(self) -> None:
        """Connect before the clock starts; a failure will show when a request needs the lane."""
        for replica in sorted(self._targets, reverse=True):
            self.turn_to(replica)
            try:
                await self._connect()
            except OSError as error:
                _refuse_few_files(error)
                self._connection = None

    def turn_to(self, replica: int) -> None:
        """Send to that instance from now on, and keep the connection to the one before."""
        if replica != self.replica:
            self._kept[self.replica] = self._connection
            self._connection = self._kept.pop(replica, None)
            self.replica, self._target = replica, self._targets[replica]

    def go(self, planned: PlannedRequest, scheduled_ns: int) -> None:
        """Send `planned` now, or as soon as a connection is open."""
        exchange = Exchange()
        exchange.scheduled_ns = scheduled_ns
        exchange.replica = self.replica
        self.planned, self.exchange = planned, exchange
        connection = self._connection
        if connection is None or not connection.send(planned.payload_for(self.replica), exchange):
            self._reopen()

    def fail(self, kind: ErrorKind, message: str) -> None:
        """End the request under way as a failure."""
        if self._opening is not None and not self._opening.done():
            self._opening.cancel()
            self._give_up(kind, message)
        elif self._connection is not None:
            self._connection.fail(kind, message)

    def close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        for connection in (self._connection, *self._kept.values()):
            if connection is not None:
                connection.close()

    def _reopen(self) -> None:
        self._opening = guarded(asyncio.get_running_loop().create_task(self._open_and_send()))

    async def _connect(self) -> Connection:
        connection = self._connection = await connect(self._target, self._done)
        connection.on_idle_end = self.on_idle_end
        return connection

    async def _open_and_send(self) -> None:
        client = self._target.endpoint.client
        where = f"{self._target.host}:{self._target.port}"
        try:
            connection = await self._connect()
        except TimeoutError:
            limit = f"{client.connect_timeout_s:g} s"
            self._give_up("connect_timeout", f"{where}: no connection within {limit}")
        except ssl.SSLError as error:
            hint = f"; {UNTRUSTED_HINT}" if isinstance(error, ssl.SSLCertVerificationError) else ""
            self._give_up("tls", f"{where}: {error.reason or error}: {error}{hint}")
        except OSError as error:
            _refuse_few_files(error)
            self._give_up("refused", f"{where}: {_in_words(error)}")
        else:
            assert self.planned is not None and self.exchange is not None
            self.failures_to_connect = 0
            self.exchange.connect_ns = connection.connect_ns
            connection.send(self.planned.payload_for(self.replica), self.exchange)

    def _give_up(self, kind: ErrorKind, message: str) -> None:
        """End the request without having sent it, as there is no connection."""
        exchange = self.exchange
        assert exchange is not None
        self._connection = None
        self.failures_to_connect += 1
        exchange.finish((kind, message))
        self._done(exchange)

    def _done(self, exchange: Exchange) -> None:
        if exchange.failure is None and exchange.sent_ns is None:  # it never arrived: again
            self._reopen()
            return
        planned = self.planned
        assert planned is not None
        self.planned = self.exchange = None
        endpoint = self._target.endpoint
        anew = endpoint.client.fresh_connections or endpoint.closes_connections
        if anew and self._connection is not None:
            self._connection.close()
        if self._connection is not None and not self._connection.usable:
            self._connection = None
        self._finished(self, planned, exchange)


def _in_words(error: OSError) -> str:
    """The system's words where it has some; asyncio's own repeat the address."""
    number = error.errno or 0
    return os.strerror(number) if number > 0 else error.strerror or str(error)


def _refuse_few_files(error: OSError) -> None:
    """Raise `ConfigError` where it is this process that may open no more: the server refused
    nothing."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        raise ConfigError(
            "no more connection can be opened, for the limit of open files is "
            f"{open_files_limit()}: raise it with ulimit -n, use more workers (--llm-workers), "
            "or lower the load"
        ) from error
