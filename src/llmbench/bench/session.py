"""One session of measuring: loads servers with cells, judges these, and keeps the results.

It directs the rooms below it and knows nothing about pytest: `llmbench.plugin.fixtures` hands it
cells, and a script may do the same.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from msgspec import Struct, structs

from llmbench.bench.alternating import Alternation, Settled, turns_of
from llmbench.bench.launcher import Observed, Servers
from llmbench.bench.progress_line import shown
from llmbench.bench.runs import begun, check_sendable, note_prompts, nowhere
from llmbench.bench.searching import TrialWatch, search_load
from llmbench.bench.settings import Settings
from llmbench.bench.shelf import Shelf, Texts, context_of, texts_of
from llmbench.cells import Cell
from llmbench.config import ConfigError, ModelConfig
from llmbench.load import input_lengths, run_cell
from llmbench.prompts import Library
from llmbench.records import CellRun
from llmbench.results import CellResult, Search
from llmbench.servers import (
    LaunchError,
    RunningServer,
    read_histograms,
    slots_of,
    sums_since,
    with_cache,
)
from llmbench.store import RunDir
from llmbench.verdict import Interleaving, RepeatDigest, judge_repeat, judged_cells, keep_digest

if TYPE_CHECKING:
    from pandas import DataFrame


class Measurement(Struct, frozen=True):
    """All repeats of one cell, and what they say together."""

    results: tuple[CellResult, ...]

    @property
    def valid(self) -> bool:
        """Whether every repeat's numbers can be trusted."""
        return all(result.valid for result in self.results)

    @property
    def meets_slo(self) -> bool:
        """Whether every repeat was good enough."""
        return all(result.meets_slo for result in self.results)

    @property
    def why(self) -> str:
        """What is wrong, a line for each rule and repeat; empty when nothing is."""
        return "\n".join(result.why for result in self.results if result.why)


class Session:
    """Runs cells one after another, into one run directory.

    `repeats` has the fewest and the most repeats of models that differ from `settings.repeats`,
    and `launches` how many launches they are spread over, where that is not 1;
    `out` is where the live progress goes; `decided` says, after each repeat beyond the fewest,
    whether more would change anything; `judged` gets each repeat with its requests (a row each),
    before its digest is kept; `done` is called when a cell's repeats have ended.
    """

    def __init__(
        self,
        run_dir: RunDir,
        settings: Settings,
        models: Sequence[ModelConfig],
        servers: Servers,
        shelf: Shelf,
        *,
        repeats: Mapping[str, tuple[int, int]] = {},
        launches: Mapping[str, int] = {},
        out: TextIO = sys.stderr,
        judged: Callable[[RepeatDigest, "DataFrame"], None] = lambda digest, requests: None,
        done: Callable[[str, tuple[CellResult, ...]], None] = lambda cell_id, results: None,
        decided: Callable[[Sequence[CellResult]], bool] = lambda results: False,
    ) -> None:
        self.run_dir, self.settings = run_dir, settings
        self.models = {model.name: model for model in models}
        self.results: dict[str, tuple[CellResult, ...]] = {}
        self._servers, self._shelf = servers, shelf
        self._out, self._judged, self._done, self._decided = out, judged, done, decided
        self._repeats, self._launches = repeats, launches
        self._planned: tuple[Cell, ...] = ()
        self._users: dict[str, int] = {}

    def plan(self, cells: Iterable[Cell], users: Mapping[str, int] | None = None) -> None:
        """Tell which cells are to come, so that prompts and slots are made for all at once.

        `users` are the most of each model's whole grid, of which the cells may be a part: a cell
        that is measured alone then gets the same server as with all others.
        """
        self._planned = tuple(cells)
        self._users = dict(users or {})

    def search(self, cell: Cell) -> Search:
        """The most load (rate or users) at which `cell` is valid and meets its SLO.

        It starts from the cell's own load; every load tried is a cell of its own, and every trial
        a repeat of it. `SearchError` where a trial can't be trusted.
        """
        search = search_load(cell, self._trial, self.settings.search_time_s)
        self.run_dir.append_search(search)
        return search

    def _trial(self, cell: Cell) -> CellResult:
        """One more repeat of `cell`, which ends as soon as its verdict is known."""
        earlier = self.results.get(cell.id, ())
        result = self._repeat(cell, len(earlier) + 1).result
        self._keep({cell.id: (*earlier, result)})
        return result

    def alternate(self, pairs: Sequence[tuple[Cell, Cell]], settled: Settled) -> Interleaving:
        """Measure cells of two models in turns, A B B A, with both servers up where they can be.

        `settled` says after a round, from the results by cell and the share of the longest load
        that was applied, whether more rounds would change nothing.
        """
        cells = [cell for pair in pairs for cell in pair]
        self._planned = tuple(dict.fromkeys((*self._planned, *cells)))
        models = [self._model(cell) for cell in pairs[0]]
        turns = turns_of(models, self._repeats_of(pairs[0][0]), self.settings.ab_time_s)
        alternation = Alternation(self._servers, self._repeat, turns, self.settings.seed)
        how = alternation.run(pairs, settled)
        self._keep(alternation.results)
        return how

    def run(self, cell: Cell) -> Measurement:
        """Launch what `cell` needs unless it runs already, load it, and judge what came.

        With several repeats all planned cells of the same server are measured with it, in rounds:
        a host that drifts then drifts through all of them alike, not from cell to cell.
        """
        if cell.id not in self.results:
            several = self._repeats_of(cell)[1] > 1 and cell.in_rounds
            self._rounds([cell, *(self._others_on_server(cell) if several else ())])
        return Measurement(self.results[cell.id])

    def fits(self, cell: Cell) -> Measurement:
        """Like `run`, but a server that does not start under the cell's limits is a result too."""
        try:
            return self.run(cell)
        except LaunchError:
            (judged,) = judged_cells(self.run_dir, cell.id)
            self.results[cell.id] = judged.results
            self._done(cell.id, judged.results)
            return Measurement(judged.results)

    def server(self, cell: Cell, servers: Servers | None = None) -> RunningServer:
        """The running server of the cell's model under the cell's limits."""
        workers, slots = self.settings.workers_here, self._slots(cell)
        servers = servers or self._servers
        model = with_cache(self._model(cell), cell.prefix_cache)
        return servers.get(model, cell.limits, slots, workers=workers)

    def _slots(self, cell: Cell) -> int | None:
        """The slots of the cell's server: for the users of the model's grid, or the cell's if more.

        The trials of a search find out what such a server carries, so they ask for no more.
        """
        own = 1 if cell.is_trial else cell.shape.most_users or 1
        of_grid = self._users.get(cell.model)
        if of_grid is None:
            planned = (c for c in self._planned if c.server_key == cell.server_key)
            of_grid = max((c.shape.most_users or 1 for c in planned), default=1)
        return slots_of(self._model(cell).server, max(own, of_grid))

    def prompts(self, cell: Cell) -> Library:
        """The prompts of the cell's model, all planned lengths built at once."""
        tokenizer = self._model(cell).tokenizer
        with_same_tokenizer = [c for c in self._planned if self._model(c).tokenizer == tokenizer]
        wanted = {tokens for c in (cell, *with_same_tokenizer) for tokens in input_lengths(c)}
        library = self._shelf.library(tokenizer, sorted(wanted))
        note_prompts(self.run_dir, tokenizer, library)
        return library

    def _said(self, cell: Cell, repeat: int) -> Texts:
        """What the requests of one repeat of `cell` say."""
        if cell.traffic is None:
            return texts_of(self.prompts(cell), input_lengths(cell))
        if input_lengths(cell):
            self.prompts(cell)  # of all planned lengths at once
        model, fresh = self._model(cell), f"{self.settings.seed} {cell.load_name} {repeat}"
        return self._shelf.of_traffic(
            cell.traffic, model.tokenizer, context_of(model.server), fresh
        )

    def _others_on_server(self, cell: Cell) -> list[Cell]:
        """The other planned cells of the cell's server that are still to be measured."""
        wanted = (c for c in self._planned if c.id not in {cell.id, *self.results})
        same = [c for c in wanted if c.in_rounds and c.server_key == cell.server_key]
        return [c for c in same if self._slots(c) == self._slots(cell)]

    def _rounds(self, cells: Sequence[Cell]) -> None:
        """Repeat after repeat over all `cells`; one whose verdict is known drops out.

        Each launch has its share of the repeats, so that the server is launched anew between them.
        """
        fewest, most = self._repeats_of(cells[0])
        launches = 1 if cells[0].is_cold else self._launches.get(cells[0].model, 1)
        firsts = {-(-most * launch // launches) + 1 for launch in range(1, launches)}
        results: dict[str, list[CellResult]] = {cell.id: [] for cell in cells}
        still = list(cells)
        for repeat in range(1, most + 1):
            if repeat in firsts:
                self._servers.close()
            for cell in still:
                results[cell.id].append(self._repeat(cell, repeat).result)
            still = [c for c in still if repeat < fewest or not self._decided(results[c.id])]
        self._keep(results)

    def _keep(self, of_cells: Mapping[str, Sequence[CellResult]]) -> None:
        for cell_id, results in of_cells.items():
            self.results[cell_id] = tuple(results)
            self._done(cell_id, self.results[cell_id])

    def _repeat(self, cell: Cell, repeat: int, servers: Servers | None = None) -> RepeatDigest:
        """Measure `cell` once, on the server that `servers` hold (the session's own by default)."""
        servers = servers or self._servers
        said = self._said(cell, repeat)
        check_sendable(cell, self._model(cell), said.material)
        if cell.is_cold:
            servers.close()
        try:
            server = self.server(cell, servers)
        except LaunchError as error:
            reason = f"{error.state}; {error.hint or 'see its log'}"
            never = begun(cell, repeat, nowhere(self._model(cell)), self.settings.seed)
            self._ended(structs.replace(never, launch_error=reason), Observed())
            raise
        self.run_dir.append_cell_start(begun(cell, repeat, server.endpoint, self.settings.seed))
        before = read_histograms(server.endpoint)
        slo, seed = self._model(cell).slo, self.settings.seed
        watch = TrialWatch(self.run_dir, cell, repeat, slo, seed) if cell.is_trial else None
        with (
            shown(self._out, self._title(cell, repeat)) as progress,
            servers.watched(cell, repeat) as watched,
        ):
            run = run_cell(
                cell,
                server.endpoint,
                said.prompts,
                material=said.material,
                run=self.run_dir,
                repeat=repeat,
                seed=self.settings.seed,
                prompts_sha256=said.sha256,
                cores=servers.placement.client if self.settings.cluster is None else (),
                workers=self.settings.workers,
                cluster=self.settings.cluster,
                progress=progress,
                died=server.died,
                enough=watch,
                warmup_per_user=0 if cell.is_cold else self.settings.warmup_per_user,
                seen=servers.seen_prompts[cell.prefix_cache],
            )
        run = structs.replace(
            run,
            server_sums=sums_since(before, server.endpoint),
            server_cpu_ns=servers.server_cpu_ns,
            launch=servers.launch,
            synthetic_prompts=said.synthetic,
        )
        if run.server_died is not None:
            servers.close()  # the next cell launches another, or finds out that there is none
        return self._ended(run, watched)

    def _ended(self, run: CellRun, watched: Observed) -> RepeatDigest:
        """Keep that a repeat ended, and judge it."""
        self.run_dir.append_cell_run(run)
        model, seen = self._model(run.cell), (watched.resources, watched.gauges)
        digest, requests = judge_repeat(self.run_dir, run, model.slo, *seen, size=model.size)
        self._judged(digest, requests)
        keep_digest(self.run_dir, digest)
        return digest

    def _title(self, cell: Cell, repeat: int) -> str:
        """Which cell of how many, as in ``[3/8] tiny-in32-out8-users1 repeat 2``."""
        place = self._planned.index(cell) + 1 if cell in self._planned else "+"
        again = f" repeat {repeat}" if self._repeats_of(cell)[1] > 1 else ""
        return f"[{place}/{len(self._planned)}] {cell.id}{again}"

    def _repeats_of(self, cell: Cell) -> tuple[int, int]:
        """The fewest and the most repeats of `cell`, which are those of its model."""
        return self._repeats.get(cell.model, self.settings.repeats)

    def _model(self, cell: Cell) -> ModelConfig:
        try:
            return self.models[cell.model]
        except KeyError:
            raise ConfigError(f"{cell.id}: no configuration is named {cell.model!r}") from None
