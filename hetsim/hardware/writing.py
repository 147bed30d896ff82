"""What writing memristive cells takes, as instructions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hetsim.hardware.component import Step

if TYPE_CHECKING:
    from hetsim.analog.write import Write


def write_steps(write: Write, pulses: float, cells: float, verify: float = 0.0) -> tuple[Step, ...]:
    """Write-verify of so many ``cells`` in so many ``pulses`` together: a read of ``verify`` joules follows each pulse,
    and where the datasheet has it weak pulses that denoise follow when a cell is done."""
    seconds, joules = write.finish
    finish = (Step("denoise", cells, seconds, joules, "program"),) if write.denoising is not None else ()
    return (
        Step("program", pulses, write.time, write.energy, "program", expected=True),
        Step("verify", pulses, write.verify, verify, "program", expected=True),
        *finish,
    )


def spent(steps: tuple[Step, ...]) -> float:
    """Joules of all steps."""
    return sum(step.count * step.joules for step in steps)
