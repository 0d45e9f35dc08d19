"""The simulator's server, which accepts and routes requests and lets the schedule answer them."""

import gc
import os
import socket
from collections.abc import Callable
from functools import partial

import msgspec
from msgspec import structs

from llmbench.config import ConfigError, SimulatedServer
from llmbench.process import allow_many_connections, pin
from llmbench.simulator import encoding
from llmbench.simulator.asked import Asked, NotAsked, is_completion, read_ask, refused_fields
from llmbench.simulator.client import ClientConnection, Request
from llmbench.simulator.completion_job import CompletionJob, with_prompt
from llmbench.simulator.completions import MESSAGE, Streamed, Whole, outcome_of
from llmbench.simulator.dialects.formats import FORMATS
from llmbench.simulator.faults import HEADER, FaultPlan, manner_of
from llmbench.simulator.manner import Manner
from llmbench.simulator.pages import State, answer_page, completes
from llmbench.simulator.reactor import Reactor
from llmbench.simulator.scheduling.stepped import scheduler
from llmbench.simulator.simulator_settings import SimulatorSettings
from llmbench.simulator.texts.rendered import shown_in
from llmbench.simulator.texts.seen_images import BadImage
from llmbench.simulator.truth import Truth

BACKLOG = 4096  # Linux's own bound on connections that wait to be accepted (somaxconn)
MOVED = "/moved"


class Simulator:
    """Listens as soon as it is made; `run` serves. An unknown fault raises `ConfigError`."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings
        self._faults = FaultPlan.parse(settings.config.fault, settings.seed)
        self._schedule = scheduler(settings.of_launch, settings.seed)
        self._truth = Truth()
        self._state = State(settings, self._schedule, self._truth)
        self._reactor = Reactor(self._schedule.tick)
        self._requests = 0
        self._listener = _listen(settings.host, settings.port)
        self._reactor.watch(self._listener, self._accept)

    @property
    def port(self) -> int:
        """The port on which it listens."""
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
            ClientConnection(sock, self._reactor, self._handle)

    def _handle(self, line: ClientConnection, request: Request) -> None:
        is_asked = request.method == "POST" and is_completion(request.path)
        if is_asked and completes(self._state, request.path):
            self._complete(line, request)
        else:
            line.send(answer_page(self._state, request))
            line.answered()

    def _complete(self, line: ClientConnection, request: Request) -> None:
        self._requests += 1
        seed = f"{self._settings.seed}/{self._requests}"
        try:
            asked = read_ask(request.path, request.body, self._settings.model)
            each = self._settings.config.image_tokens
            images = [] if asked.inputs else shown_in(request.body, each)
            manner = self._manner(request)
        except (NotAsked, BadImage, ConfigError) as error:
            _not_asked(line, error)
            return
        if images:
            self._truth.shown(images)
            tokens = asked.prompt_tokens + sum(image.tokens for image in images)
            asked = structs.replace(asked, prompt_tokens=tokens)
        refused = refused_fields(request.body, self._faults.faulty)
        if refused:
            names = f": {', '.join(refused)}" if self._faults.faulty.says_what else ""
            line.send(encoding.page(422, f'{{"error": "Unexpected fields{names}"}}'.encode()))
            line.answered()
            return
        if manner.status != 200 or manner.garbage not in ("none", "event"):
            self._refuse(line, asked, manner, request)
            return
        if manner.context < 1:
            processed = max(1, int(asked.prompt_tokens * manner.context))
            asked = structs.replace(asked, prompt_tokens=processed)
        came_ns = request.received_ns + manner.gateway_ms * 1_000_000
        config = self._settings.config
        job = CompletionJob(asked, manner, line, self._truth, came_ns, seed, config)
        try:
            job = with_prompt(job, request.body)
        except NotAsked as error:
            came_ns = request.received_ns
            self._truth.finished("foreign history", asked.prompt_tokens, 0, came_ns)
            _not_asked(line, error)
            return
        if manner.gateway_ms:
            self._reactor.call_at(came_ns, partial(self._begin, job))
        else:
            self._begin(job)

    def _begin(self, job: CompletionJob) -> None:
        stream = Streamed(job) if job.asked.stream else Whole(job)
        if job.manner.interim:
            job.line.send(encoding.CONTINUE)
        stream.begin()
        self._schedule.admit(stream, job.received_ns)

    def _manner(self, request: Request) -> Manner:
        """The manner of the fault that the request asks for, else of the configuration's fault."""
        asked = request.headers.get(HEADER)
        return self._faults.manner(self._requests) if asked is None else manner_of(asked)

    def _refuse(
        self, line: ClientConnection, asked: Asked, manner: Manner, request: Request
    ) -> None:
        """Answer at once, without a token."""
        if manner.garbage == "http":
            line.send(encoding.NO_HTTP)
        elif manner.status == 307:
            fields = (f"location: {MOVED}{request.path}",)
            line.send(encoding.page(307, b"", encoding.JSON, *fields))
        elif manner.garbage == "html":
            line.send(encoding.page(200, encoding.LOGIN, encoding.HTML))
        elif manner.garbage == "json":
            line.send(encoding.page(200, FORMATS[asked.dialect].whole(asked, manner, asked.tokens)))
        else:
            body = FORMATS[asked.dialect].error_body(manner.status, MESSAGE)
            wait_s = manner.retry_after_s
            wait = [] if wait_s is None else [f"retry-after: {wait_s}"]
            body = body if manner.error_body else b""
            line.send(encoding.page(manner.status, body, encoding.JSON, *wait))
        outcome, came_ns = outcome_of(manner), request.received_ns
        self._truth.finished(outcome, asked.prompt_tokens, 0, came_ns)
        line.answered()


def _not_asked(line: ClientConnection, error: Exception) -> None:
    """Refuse a request, in the words of `error`."""
    line.send(encoding.page(400, msgspec.json.encode({"error": str(error)})))
    line.answered()


def serve(
    config: SimulatedServer,
    host: str,
    port: int,
    *,
    seed: int = 0,
    pin: tuple[int, ...] = (),
    engine: str | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Serve with the true figures of `config` until Ctrl-C; `say` gets the URL.

    With `engine` it passes for that one. `pin` keeps the process to those cores. `ConfigError` says
    that the fault is unknown or that it can't listen.
    """
    settle(pin)
    settings = SimulatorSettings(config, seed=seed, host=host, port=port, engine=engine)
    simulator = Simulator(settings)
    say(f"simulated server at http://{host}:{simulator.port} (its truth: /stats); Ctrl-C ends it")
    try:
        simulator.run()
    except KeyboardInterrupt:
        say("ended")


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise ConfigError(
            f"can't listen on {host}:{port}: {reason}; give another --port, or 0 for any"
        ) from error
    listener.setblocking(False)
    return listener


def settle(cores: tuple[int, ...]) -> None:
    """Prepare this process to serve: on `cores`, with many connections and without pauses.

    The garbage collector is switched off, as it stopped all streams for 10 ms at 1,024 users and
    nothing here leaves cycles behind (a connection lets go of its parser when it closes).
    """
    pin(cores)
    allow_many_connections()
    gc.disable()
