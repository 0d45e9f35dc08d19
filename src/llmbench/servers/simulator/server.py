"""The simulator's server: accepts, routes, and lets the schedule send."""

import gc
import os
import socket

from llmbench.config import ConfigError
from llmbench.descriptors import allow_many_connections
from llmbench.servers.cores import pin
from llmbench.servers.simulator import wire
from llmbench.servers.simulator.answer import MESSAGE, Job, Streamed, Whole, outcome_of
from llmbench.servers.simulator.asked import Asked, NotAsked, is_completion, read_ask
from llmbench.servers.simulator.connection import Connection, Request
from llmbench.servers.simulator.faults import HEADER, FaultPlan, Manner, manner_of
from llmbench.servers.simulator.formats import FORMATS
from llmbench.servers.simulator.pages import State, answer_page
from llmbench.servers.simulator.reactor import Reactor
from llmbench.servers.simulator.schedule import schedule
from llmbench.servers.simulator.settings import SimulatorSettings
from llmbench.servers.simulator.truth import Truth

BACKLOG = 4096
MOVED = "/moved"


class Simulator:
    """Listens when made; `run` serves. `ConfigError` for a fault that is none."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings
        self._faults = FaultPlan.parse(settings.config.fault, settings.seed)
        self._schedule = schedule(settings.config, settings.seed)
        self._truth = Truth()
        self._state = State(settings, self._schedule, self._truth)
        self._reactor = Reactor(self._schedule.tick)
        self._requests = 0
        self._listener = _listen(settings.host, settings.port)
        self._reactor.watch(self._listener, self._accept)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def run(self) -> None:
        """Serve until the process ends."""
        self._reactor.run()

    def _accept(self, mask: int) -> None:
        while True:
            try:
                sock, _address = self._listener.accept()
            except OSError:
                return
            Connection(sock, self._reactor, self._handle)

    def _handle(self, line: Connection, request: Request) -> None:
        if request.method == "POST" and is_completion(request.path):
            self._complete(line, request)
        else:
            line.send(answer_page(self._state, request))
            line.answered()

    def _complete(self, line: Connection, request: Request) -> None:
        self._requests += 1
        seed = f"{self._settings.seed}/{self._requests}"
        try:
            asked = read_ask(request.path, request.body, self._settings.model)
            manner = self._manner(request)
        except (NotAsked, ConfigError) as error:
            line.send(wire.page(400, f'{{"error": "{error}"}}'.encode()))
            line.answered()
            return
        if manner.status != 200 or manner.garbage == "http":
            self._refuse(line, asked, manner, request)
            return
        job = Job(asked, manner, line, self._truth, request.received_ns, seed)
        stream = Streamed(job) if asked.stream else Whole(job)
        if manner.interim:
            line.send(wire.CONTINUE)
        stream.begin()
        self._schedule.admit(stream, request.received_ns)

    def _manner(self, request: Request) -> Manner:
        """The fault that the request asks for, or the configuration's."""
        asked = request.headers.get(HEADER)
        return self._faults.manner(self._requests) if asked is None else manner_of(asked)

    def _refuse(self, line: Connection, asked: Asked, manner: Manner, request: Request) -> None:
        """Answer at once, without a token."""
        if manner.garbage == "http":
            line.send(wire.NO_HTTP)
        elif manner.status == 307:
            fields = (f"location: {MOVED}{request.path}",)
            line.send(wire.page(307, b"", wire.JSON, *fields))
        else:
            body = FORMATS[asked.dialect].error_body(manner.status, MESSAGE)
            line.send(wire.page(manner.status, body if manner.error_body else b""))
        self._truth.finished(outcome_of(manner), asked.prompt_tokens, 0)
        line.answered()


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        what = os.strerror(error.errno or 0)
        raise ConfigError(
            f"can't listen on {host}:{port}: {what}; give another --port, or 0 for any"
        ) from error
    listener.setblocking(False)
    return listener


def settle(cores: tuple[int, ...]) -> None:
    """Make this process fit to serve: on `cores`, with many connections, without pauses.

    The garbage collector is off: it stopped all streams for 10 ms at 1,024 users, and nothing
    here leaves cycles behind (a connection lets go of its parser when it closes).
    """
    pin(cores)
    allow_many_connections()
    gc.disable()
