"""Strike sessions at random and print what became of them: python -m tests.perf.drills [N] [SEED].

Each drill runs a session of its own and strikes it once: a process is killed or stopped, the disk
is full, the network breaks, a signal comes. Held against what has to be so afterwards:

- no finished request is lost: the run's journal has every request that the server says it has
  finished, but for those that a struck client had no time, or no room, to write: the last one or
  two of each user, and none before them;
- the session has ended within a minute, and no process, port or container of it is left (a killed
  client can't remove its containers: the next session does);
- ``llmbench report`` draws what there is.
"""

import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from functools import cache, partial
from pathlib import Path

import psutil
from msgspec import Struct

from tests.perf.drill_site import (
    USERS,
    Flavour,
    Relay,
    Site,
    engine_missing,
    found_server,
    url_of,
    wait_for,
)

END_S = 60.0
"""The most that may pass from the strike until nothing of the session runs."""

START_S = 120.0

PHASES: dict[str, tuple[Callable[[Site], bool], float]] = {
    "launching": (lambda site: True, 4.0),
    "warm-up": (lambda site: bool(site.starts()), 0.1),
    "load": (Site.measures, 1.5),
    "report": (Site.is_measured, 3.0),
}
"""When a phase has begun, and the most seconds from then to the strike."""


class Scene(Struct):
    """Whom a strike may hit."""

    site: Site
    session: "subprocess.Popen[bytes]"
    server: "subprocess.Popen[str] | None"
    relay: Relay | None
    random: random.Random


class Kind(Struct, frozen=True):
    """A kind of drill; `unwritten` is how many finished requests the strike may cost.

    One for each user that the client was struck under. Where there is no room to write, a user may
    have one that could not be written and one under way, in each cell.
    """

    name: str
    flavour: Flavour
    strike: Callable[[Scene], None]
    phases: Sequence[str] = ("load",)
    unwritten: int = 0
    options: tuple[str, ...] = ()
    room: str | None = None  # what bounds the files of the run: "disk" or "file"
    leaves_containers: bool = False


class Result(Struct, frozen=True):
    """What became of a session."""

    kind: str
    phase: str
    lost: int = 0
    left: tuple[str, ...] = ()
    report: str = ""  # why it could not be drawn
    ended_s: float = 0.0
    wrong: str = ""  # what else is wrong

    @property
    def ok(self) -> bool:
        return not (self.lost or self.left or self.report or self.wrong) and self.ended_s < END_S


def send(number: int, scene: Scene) -> None:
    """A signal to the client."""
    scene.session.send_signal(number)


def kill_worker(scene: Scene) -> None:
    scene.random.choice(scene.site.workers()).kill()


def stop_worker(scene: Scene) -> None:
    """For good: the others must not wait for it."""
    scene.random.choice(scene.site.workers()).suspend()


def kill_server(scene: Scene) -> None:
    pid = scene.site.launch().pid if scene.server is None else scene.server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def stop_client(scene: Scene) -> None:
    _stop_for_a_while(scene.session.pid, scene)


def stop_server(scene: Scene) -> None:
    pid = scene.site.launch().pid
    assert pid is not None
    _stop_for_a_while(pid, scene)


def _stop_for_a_while(pid: int, scene: Scene) -> None:
    """Shorter or longer than the client's time-outs."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        process.suspend()
        time.sleep(scene.random.uniform(0.5, 6))
        process.resume()


def kill_container(scene: Scene) -> None:
    for container in scene.site.containers():
        container.kill()


def pause_container(scene: Scene) -> None:
    for container in scene.site.containers():
        container.pause()
        time.sleep(scene.random.uniform(0.5, 6))
        container.unpause()


def reset(scene: Scene) -> None:
    assert scene.relay is not None
    scene.relay.do(scene.relay.reset)


def hold(scene: Scene) -> None:
    """Nothing passes for a while, and then all of it at once."""
    assert scene.relay is not None
    scene.relay.do(scene.relay.hold)
    time.sleep(scene.random.uniform(0.5, 6))
    scene.relay.do(scene.relay.let)


def nothing(scene: Scene) -> None:
    """The files' room strikes by itself; or nothing does."""


ALL = tuple(PHASES)
TWO = ("--llm-workers", "2")
UNDER_WAY, NO_ROOM = max(USERS), 2 * sum(USERS)
_signalled = partial(Kind, phases=ALL, unwritten=UNDER_WAY)

KINDS = (
    _signalled("kill -9 the client", "launched", partial(send, signal.SIGKILL)),
    _signalled("kill -9 the client, server found", "found", partial(send, signal.SIGKILL)),
    _signalled(
        "kill -9 the client, 2 workers", "launched", partial(send, signal.SIGKILL), options=TWO
    ),
    _signalled(
        "kill -9 the client of a container",
        "container",
        partial(send, signal.SIGKILL),
        leaves_containers=True,
    ),
    Kind("kill -9 a worker", "launched", kill_worker, unwritten=UNDER_WAY, options=TWO),
    Kind("kill -9 the server", "launched", kill_server),
    Kind("kill -9 a server that was found", "found", kill_server),
    Kind("kill -9 the container", "container", kill_container),
    Kind("stop the client for a while", "launched", stop_client, ALL),
    Kind("stop a worker", "launched", stop_worker, unwritten=UNDER_WAY, options=TWO),
    Kind("stop the server for a while", "launched", stop_server),
    Kind("pause the container for a while", "container", pause_container),
    Kind("the disk is full", "launched", nothing, unwritten=NO_ROOM, room="disk"),
    Kind("files may not grow", "launched", nothing, unwritten=NO_ROOM, room="file"),
    Kind("connections are reset", "relayed", reset),
    Kind("nothing passes for a while", "relayed", hold),
    _signalled("SIGINT", "launched", partial(send, signal.SIGINT)),
    _signalled("SIGTERM", "launched", partial(send, signal.SIGTERM)),
    _signalled("SIGHUP", "launched", partial(send, signal.SIGHUP)),
    _signalled("SIGTERM, server in a container", "container", partial(send, signal.SIGTERM)),
)
BY_NAME = {kind.name: kind for kind in KINDS}


def skipped(kind: Kind) -> str | None:
    """Why `kind` can't be drilled here."""
    if kind.room == "disk" and (sys.platform != "linux" or os.getuid()):
        return "needs root, to mount a file system of its own"
    return engine_missing() if kind.flavour == "container" else None


def drill(kind: Kind, seed: int) -> Result:
    """One session, struck at a time and in a phase that follow from `seed`."""
    draw = random.Random(f"{kind.name}/{seed}")
    phase = draw.choice(kind.phases)
    with ExitStack() as stack:
        site, server, relay = _site(kind.flavour, stack)
        settings = {} if kind.room is None else _bound(kind.room, site, draw, stack)
        session = site.session(*kind.options, **settings)
        stack.callback(_end, site, session)
        begun, most_s = PHASES[phase]
        until = draw.uniform(0, most_s)
        _watch(site, lambda: session.poll() is not None or begun(site), START_S)
        _watch(site, lambda: session.poll() is not None, until)
        struck = time.monotonic()
        if session.poll() is None:
            kind.strike(Scene(site, session, server, relay, draw))
        in_time = _watch(site, lambda: session.poll() is not None, END_S)
        late = "" if in_time else _doing(site)
        wait_for(lambda: not _left(site, kind), max(1.0, struck + END_S - time.monotonic()), 0.2)
        ended_s = time.monotonic() - struck
        site.look()
        probed = probes(kind.flavour) * len(site.finished)
        lost = site.gaps() + max(0, _missing(site) - probed - kind.unwritten)
        left = _left(site, kind)
        if kind.leaves_containers and site.containers():
            left += _after_the_next(site)
        if kind.room == "disk":
            _mount(site, "remount,size=64m")
        wrong = late + "".join(site.printed.partition("Traceback")[1:])
        return Result(kind.name, phase, lost, left, _report(site), ended_s, wrong)


@cache
def probes(flavour: Flavour) -> int:
    """The requests with which a session of that flavour finds out whether its server is ready.

    It is what an undisturbed session's server finished beyond what the journal has.
    """
    with ExitStack() as stack:
        site, _server, _relay = _site(flavour, stack)
        session = site.session()
        stack.callback(_end, site, session)
        _watch(site, lambda: session.poll() is not None, START_S)
        site.look()
        if not site.is_measured():
            raise RuntimeError(f"an undisturbed session failed:\n{site.printed}")
        return _missing(site)


def _missing(site: Site) -> int:
    """How many more requests the servers finished than the journal has."""
    return sum(site.finished.values()) - site.recorded()


def _site(
    flavour: Flavour, stack: ExitStack
) -> tuple[Site, "subprocess.Popen[str] | None", Relay | None]:
    """A site with what it needs besides."""
    path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "site"
    if flavour not in ("found", "relayed"):
        return Site(path, flavour), None, None
    server = stack.enter_context(found_server())
    url = url_of(server)
    if flavour == "found":
        return Site(path, flavour, url), server, None
    relay = stack.enter_context(Relay(url))
    return Site(path, flavour, relay.url, truth=url), server, relay


def _bound(
    room: str, site: Site, draw: random.Random, stack: ExitStack
) -> dict[str, Callable[[], None]]:
    """Bound the room for the run's files; settings for the session's process."""
    size = draw.randrange(16, 160) << 10
    if room == "file":
        return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))}
    (site.path / "reports").mkdir()
    _mount(site, f"size={size}")
    stack.callback(_run, "umount", "-l", site.path / "reports")
    return {}


def _mount(site: Site, options: str) -> None:
    _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", site.path / "reports")


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True)


def _watch(site: Site, over: Callable[[], bool], seconds: float) -> bool:
    """Look at what the server has finished until it is over; whether it is in time."""

    def looked() -> bool:
        site.look()
        return over()

    return wait_for(looked, seconds)


def _doing(site: Site) -> str:
    """What a session that is late does: its progress, its processes, its last line."""
    ended = len(site.run.cell_runs()) if site.run else 0
    told = [f"late, {ended} of {len(USERS)} cells ended"]
    for process in site.processes():
        with suppress(psutil.Error):
            used, what = process.cpu_times(), " ".join(process.cmdline())[-60:]
            told.append(f"{process.status()}, {used.user + used.system:.1f} s of CPU: {what}")
    return "; ".join((*told, *site.printed.splitlines()[-1:], ""))


def _left(site: Site, kind: Kind) -> tuple[str, ...]:
    """What of the session still runs or exists."""
    left = [" ".join(process.cmdline())[:120] for process in site.processes()]
    if not kind.leaves_containers:
        left += site.ports()
    if kind.flavour == "container" and not kind.leaves_containers:
        left += [f"container {container.name}" for container in site.containers()]
    return tuple(left)


def _after_the_next(site: Site) -> tuple[str, ...]:
    """The containers that are left when the next session has ended."""
    before = {container.id for container in site.containers()}
    session = site.session("--llm-users", "1", "--llm-requests", "1")
    wait_for(lambda: session.poll() is not None, START_S)
    return tuple(f"container {c.name}" for c in site.containers() if c.id in before)


def _report(site: Site) -> str:
    """Why ``llmbench report`` can't draw what the session left; empty where it can."""
    if site.run is None:
        return ""
    command = [sys.executable, "-m", "llmbench.cli", "report", str(site.run.path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stderr.strip()[-300:] if done.returncode else ""


def _end(site: Site, session: "subprocess.Popen[bytes]") -> None:
    """Whatever went wrong, nothing of a drill outlives it."""
    for process in site.processes():
        with suppress(psutil.NoSuchProcess):
            process.kill()
    session.wait()
    if engine_missing() is None:
        for container in site.containers():
            container.remove(force=True)


def table(results: Iterable[Result]) -> str:
    """A row for each kind, and the sum."""
    by_kind: dict[str, list[Result]] = {}
    for result in results:
        by_kind.setdefault(result.kind, []).append(result)
    rows = [_row(name, each) for name, each in by_kind.items()]
    rows.append(_row("all", [result for each in by_kind.values() for result in each]))
    head = f"{'drill':36} {'count':>5} {'lost':>5} {'left':>5} {'no report':>9} {'longest end':>11}"
    return "\n".join((head, *rows))


def _row(name: str, each: Sequence[Result]) -> str:
    lost, left = sum(r.lost for r in each), sum(bool(r.left) for r in each)
    reports, longest_s = sum(bool(r.report) for r in each), max(r.ended_s for r in each)
    return f"{name:36} {len(each):5} {lost:5} {left:5} {reports:9} {longest_s:9.1f} s"


def main(count: int = 100, seed: int = 1) -> None:
    """Drill, telling what is wrong as it is found, and print the table."""
    for kind in KINDS:
        why = skipped(kind)
        if why is not None:
            print(f"{kind.name}: skipped: {why}")
    kinds = [kind for kind in KINDS if skipped(kind) is None]
    results = []
    for number in range(count):
        results.append(drill(kinds[number % len(kinds)], seed + number))
        told = f" {results[-1].ended_s:.1f} s" if results[-1].ok else f": {results[-1]}"
        print(f"{seed + number} {results[-1].kind}, {results[-1].phase}{told}", flush=True)
    print(table(results))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
