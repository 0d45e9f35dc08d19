"""What a step of the simulated engine computes, and how long that takes."""

from typing import NamedTuple

from llmbench.value_types import EngineSteps


class StepWork(NamedTuple):
    """What a step computes; each of these has its cost in `EngineSteps`."""

    sequences: int
    context_tokens: int  # in memory of the sequences that decode
    prompt_tokens: int


NO_WORK = StepWork(0, 0, 0)


def step_ms(steps: EngineSteps, work: StepWork) -> float:
    """How long a step with this work lasts."""
    return (
        steps.batch_ms(work.sequences)
        + steps.ms_per_context_token * work.context_tokens
        + steps.ms_per_prompt_token * work.prompt_tokens
    )
