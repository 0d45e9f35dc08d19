"""Refuses figures that can't be in the unit that they are taken for."""

from llmbench.interchange.measurements import ToolMeasurement, UnfitField

APART = 5.0
"""A decode time this many times its tokens' (or a part of it) is in another unit.

The means of a load's times and of its lengths don't multiply exactly, but units are 1000 apart.
"""

CROWDED = 2.0
"""More users at once than were asked for, by this factor, can't be. Source: Little's law."""

LONELY = 0.05
"""Fewer users at once than this share of one can't be in a closed loop, where one always waits."""


def check_units(measurement: ToolMeasurement) -> None:
    """Raise `UnfitField` for a TTFT above its latency, and for times that don't make one whole."""
    ttft, latency = measurement.ttft, measurement.latency
    for part in ("mean", "p50"):
        first, whole = getattr(ttft, part), getattr(latency, part)
        if first is not None and whole is not None and first > whole:
            raise UnfitField(
                ttft.field,
                f"{first:.4g} ms ({part}) is above {latency.field}, {whole:.4g} ms: one of them "
                "is not in the unit that its name says",
            )
    _check_decode(measurement)
    _check_users(measurement, latency.mean or _parts_ms(measurement))


def _parts_ms(measurement: ToolMeasurement) -> float | None:
    """The mean latency that the mean TTFT, time per token and output length make."""
    ttft, token, tokens = (
        measurement.ttft.mean,
        measurement.time_per_token.mean,
        measurement.output_tokens,
    )
    if ttft is None or token is None or tokens is None:
        return None
    return ttft + token * max(tokens - 1, 0)


def _check_decode(measurement: ToolMeasurement) -> None:
    ttft, token, latency = measurement.ttft, measurement.time_per_token, measurement.latency
    tokens = (measurement.output_tokens or 0) - 1
    if ttft.mean is None or token.mean is None or latency.mean is None or tokens < 1:
        return
    decode, of_tokens = latency.mean - ttft.mean, token.mean * tokens
    if not decode / APART <= of_tokens <= decode * APART:
        raise UnfitField(
            token.field,
            f"{token.mean:.4g} ms for each of {tokens:.4g} further tokens, and {latency.field} is "
            f"{decode:.4g} ms longer than the TTFT: they are not in the same unit",
        )


def _check_users(measurement: ToolMeasurement, latency_ms: float | None) -> None:
    users, duration = measurement.users, measurement.duration_s
    if users is None or not duration or latency_ms is None or not measurement.succeeded:
        return
    at_once = measurement.succeeded * latency_ms / 1e3 / duration
    if not LONELY < at_once < CROWDED * users:
        raise UnfitField(
            measurement.latency.field,
            f"{measurement.succeeded} requests of {latency_ms:.4g} ms in {duration:.4g} s are "
            f"{at_once:.2g} at once, and {users} were asked for: they are not in ms",
        )
