"""A chip that cannot be, as a person writes it: refused before anything runs, with the place and what is wrong."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from hetsim.cli import app

# what is changed, and what is said about it
BAD = {
    ("device.g_min=.nan",): "nan is not a finite number; a conductance such as '20 uS' is expected",
    ("device.g_min=-2 uS",): "'-2 uS' is negative; a conductance cannot be",
    ("device.g_min=40 uS",): "the conductance window is upside down: g_min 4e-05 S is not below g_max 2e-05 S",
    ("device.g_min=19.999 uS", "device.levels=2048"): "2048 levels are more than the range resolves",
    ("device.levels=4000",): "4000 is out of range: it must be at most 2048",
    ("slices=[1, 1]",): "slices [1, 1] hold 3 bits, the weights have 4",
    ("slices=[5]",): "a slice of 5 bits takes 32 levels, the device has 8",
    ("adc.bits=0",): "0 is out of range: it must be at least 1",
    ("wires={word_line: -1 ohm}",): "'-1 ohm' is negative; a resistance cannot be",
    ("wires={open_word_lines: [[128, 0]]}",): "no segment 0 of word line 128 that could be open: 128 word lines have",
    ("rewrite=0 s",): "'0 s' is out of range: it must be more than 0",
}


@pytest.mark.parametrize("changes", BAD, ids=lambda changes: changes[0])
def test_a_chip_that_cannot_be_is_refused(changes: tuple[str, ...]) -> None:
    sets = [word for change in changes for word in ("--set", f"system.components.imc.{change}")]
    answer = CliRunner().invoke(app, ["run", "technologies/mnist_rram_yao", *sets])
    assert answer.exit_code == 2
    told = " ".join(answer.output.split())
    assert BAD[changes] in told
    assert "system.components.imc" in told and "Traceback" not in told
