"""How a step's time grows with its sequences: one alone, or many, may take less than a line says.

Either is believed only where it leaves clearly less of a fit's loss.
"""

from collections.abc import Callable, Sequence

from msgspec import structs

from llmbench.twin.cost_fit import SEARCH_DRAWS, CostFit, best, fit_costs, play_all
from llmbench.twin.observed import Observation
from llmbench.twin.playing import DRAWS, PlayedDraws, TwinEngine

LEAST_DIFFERENCE = 0.1
"""A sequence alone has its own cost only where it differs by more than this share."""

LEAST_EXPONENT = 0.4
"""The power of the number of sequences is looked for from here to 1."""

EXPONENT_DIGITS = 2


def with_shape(cells: Sequence[Observation], fitted: CostFit) -> CostFit:
    """The fit that knows how a step's time grows with its sequences, where the cells tell that."""
    return with_curve(cells, with_alone(cells, fitted))


def with_alone(cells: Sequence[Observation], fitted: CostFit) -> CostFit:
    """The fit in which a sequence alone has its own cost, where that is clearly better.

    It takes two cells with one user, of which one can be left out, and a cost that differs from
    those of others by a tenth: less is found by chance, and not missed.
    """
    engine = fitted.engine
    told = engine.steps.alone_ms is not None
    if told or sum(cell.load.users == 1 for cell in cells) < 2:
        return fitted
    played = play_all(cells, engine, SEARCH_DRAWS)
    own = structs.replace(engine, steps=structs.replace(engine.steps, alone_ms=1.0))
    other = fit_costs(cells, played, own)
    batch_ms, sequence_ms, *_, alone_ms = other.costs
    differs = abs(alone_ms / (batch_ms + sequence_ms) - 1) > LEAST_DIFFERENCE
    return best([fitted, other]) if differs else fitted


class Bends:
    """Cells that were played once on an engine, bent to any power of the number of sequences."""

    def __init__(
        self, cells: Sequence[Observation], engine: TwinEngine, draws: int = DRAWS
    ) -> None:
        self._played = play_all(cells, with_exponent(engine, 1.0), draws)
        self._bent: dict[float, list[PlayedDraws]] = {}

    def to(self, exponent: float) -> list[PlayedDraws]:
        """All cells, as an engine with this power would have done them."""
        if exponent not in self._bent:
            self._bent[exponent] = [one.curved(exponent) for one in self._played]
        return self._bent[exponent]


def with_curve(cells: Sequence[Observation], fitted: CostFit) -> CostFit:
    """The fit in which sequences cost less the more they are, where that is clearly better."""
    if fitted.engine.is_curved or not tell_a_curve(cells, fitted.engine):
        return fitted
    bends = Bends(cells, fitted.engine, SEARCH_DRAWS)
    return best([fitted, likeliest_curve(cells, bends.to, fitted)])


def likeliest_curve(
    cells: Sequence[Observation],
    bent_to: Callable[[float], Sequence[PlayedDraws]],
    fitted: CostFit,
) -> CostFit:
    """The fit with the power that leaves least, between `LEAST_EXPONENT` and 1.

    `bent_to` gives the cells as they were played, bent to a power; `fitted` is where it begins.
    """
    from scipy.optimize import minimize_scalar

    def curved(exponent: float) -> CostFit:
        power = round(exponent, EXPONENT_DIGITS)
        engine = with_exponent(fitted.engine, power)
        return fit_costs(cells, bent_to(power), engine, fitted.costs)

    found = minimize_scalar(
        lambda exponent: curved(exponent).loss,
        bounds=(LEAST_EXPONENT, 1.0),
        options={"xatol": 10**-EXPONENT_DIGITS},
    )
    return curved(float(found.x))


def tell_a_curve(cells: Sequence[Observation], engine: TwinEngine) -> bool:
    """Whether steps hold three numbers of sequences, as a line goes through two of any curve.

    A sequence alone is none of them, as it may have its own cost.
    """
    most = engine.steps.most_sequences
    return len({min(cell.load.users, most) for cell in cells} - {1}) >= 3


def with_exponent(engine: TwinEngine, exponent: float) -> TwinEngine:
    """The engine, with another power of the number of sequences."""
    return structs.replace(engine, steps=structs.replace(engine.steps, sequence_exponent=exponent))
