"""How an answer is put on the wire: what faults change."""

from typing import Literal

from msgspec import Struct

from llmbench.simulator.dialects.oddities import FAILURES

Ending = Literal["done", "no-terminator", "close", "reset", "stall", "die", "error"]


class Manner(Struct, frozen=True):
    """How an answer is put on the wire; the defaults are those of a healthy server."""

    status: int = 200
    error_body: bool = True  # whether an error status has a body
    body: Literal["chunked", "length", "close"] = "chunked"
    gzip: bool = False
    interim: bool = False  # whether 100 Continue precedes the answer
    slow_headers: bool = False
    prefix: bytes = b"data: "
    newline: bytes = b"\n"
    comments: bool = False
    final_newline: bool = True
    multiline: bool = False  # whether an event's JSON takes several data: lines
    named: bool = False  # whether event: and id: lines precede data:
    early_role: bool = False
    usage: bool = True
    tokens_per_event: int = 1
    events_per_write: int = 1
    cut: bool = False  # whether events are cut anywhere, also inside a UTF-8 character
    byte_by_byte: bool = False
    reasoning: bool = False  # whether the first half of the tokens is reasoning (chat)
    cumulative: bool = True  # whether SGLang's events repeat the text so far
    tgi_version: Literal["0.9.4", "3"] = "3"
    length: float = 1.0  # share of the asked tokens after which the model stops by itself
    stop_after: float | None = None  # share of the tokens after which `ending` happens
    ending: Ending = "done"
    error_as: Literal["event", "named-comment", "named-message", "unframed"] = "event"
    garbage: Literal["none", "event", "http", "json", "html", "error"] = "none"
    odd: str = ""  # the oddity of the events' JSON
    continuous_usage: bool = True  # whether events count tokens where that was asked for
    context: float = 1.0  # share of the prompt that is processed
    retry_after_s: int | None = None  # told beside a status that is not a success
    idle_close: bool = False  # whether a connection that is kept alive is closed after it
    refuses: tuple[str, ...] = ()  # fields that no request may have, readiness' included
    says_what: bool = True  # whether the refusal names the field
    held_writes: int = 1  # writes that a proxy holds back until there are so many, or the end
    gateway_ms: int = 0  # how long a gateway keeps a request before the server gets it
    notices_hang_ups: bool = True  # whether an answer ends once nobody reads it any more
    clock_rate: float = 1.0  # of the clock by which the server tells its times

    @property
    def healthy(self) -> bool:
        """Whether a client should count the answer as a success."""
        answers = self.status == 200 and self.ending == "done" and self.garbage == "none"
        return answers and self.odd not in FAILURES
