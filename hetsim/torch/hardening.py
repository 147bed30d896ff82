"""Hardening: fine-tuning a module while its weights are what devices make of them.

In every forward pass the weights that crossbars can hold are programmed into cells of their own and read back, by the
laws of the device; gradients are taken there and applied to the exact weights, straight through [Wan 2022, Methods:
noise-resilient training; Yao 2020: hybrid training].
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import BaseModel, ValidationError

from hetsim.analog import conductance
from hetsim.analog.device import DeviceSheet
from hetsim.analog.layer import Layer
from hetsim.analog.macro import MacroSheet
from hetsim.analog.mapping import codes_to_levels, levels_to_conductances, weights_to_codes
from hetsim.analog.scheme import Scheme
from hetsim.catalog import filled, stripped
from hetsim.diagnosis import problems
from hetsim.document import Source, of
from hetsim.errors import InputError
from hetsim.hardware.component import kinds
from hetsim.hardware.imc_sheet import ImcSheet
from hetsim.keys import key as derive
from hetsim.torch.capture import capture

if TYPE_CHECKING:
    from hetsim.workload import Array

Loss = Callable[[Any, Any], Any]


class Noise:
    """What a device does to the weights of a module.

    ``device`` names a datasheet of a chip, or of a device, which then holds each weight in a pair of cells; or it is a
    mapping with ``use`` and ``override``, as a scenario has it. ``layers`` are the ops, by patterns of their names,
    whose weights are stored (default: all that can be). ``age`` in seconds since programming (default: the chip's,
    else the youngest for which the device's laws hold).
    """

    def __init__(
        self, module: Any, example_inputs: Any, *, device: str | Path | Mapping[str, Any],
        layers: Sequence[str] = ("*",), age: float | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        example = tuple(example_inputs) if isinstance(example_inputs, tuple | list) else (example_inputs,)
        self.sheet, self.seed = datasheet(device), seed
        cells = self.sheet if isinstance(self.sheet, DeviceSheet) else self.sheet.device
        given = self.sheet.age if isinstance(self.sheet, ImcSheet) and age is None else age
        self.age = max(given or 0.0, cells.reference_age)
        found = capture(module, example).stored
        self.stored = {n: m for n, m in found.items() if any(fnmatchcase(m.op, pattern) for pattern in layers)}
        if not self.stored:
            names = [matrix.op for matrix in found.values()]
            raise InputError.of("no weight of the module is stored in crossbars", f"its products: {', '.join(names)}")

    @contextmanager
    def injected(self, module: Any, use: int) -> Iterator[None]:
        """The module's weights as a chip with the number ``use`` holds them; on leaving, exact again.

        Gradients that are taken inside stay. For training loops of one's own.
        """
        parameters = {name: x for name, x in module.named_parameters(remove_duplicate=False) if name in self.stored}
        exact = {name: x.detach().clone() for name, x in parameters.items()}
        try:
            with torch.no_grad():
                for name, x in parameters.items():
                    x.copy_(torch.from_numpy(self.held(name, exact[name].cpu().numpy(), use)))
            yield
        finally:
            with torch.no_grad():
                for name, x in parameters.items():
                    x.copy_(exact[name])

    def held(self, name: str, weights: Array, use: int) -> Array:
        """What cells of chip ``use`` hold of a parameter: its numbers as one read of each cell shows them."""
        stored = self.stored[name]
        matrices = stored.matrices(weights)
        keys = [derive(self.seed, "harden", use, name, g) for g in range(len(matrices))]
        if isinstance(self.sheet, DeviceSheet):
            read = [self._pairs(self.sheet, matrix, key) for matrix, key in zip(matrices, keys, strict=True)]
        else:
            sheet = self.sheet.layer(stored.op, name) if isinstance(self.sheet, ImcSheet) else self.sheet
            read = [self._macro(sheet, matrix, key) for matrix, key in zip(matrices, keys, strict=True)]
        return stored.parameter(np.stack(read), weights.shape).astype(weights.dtype, copy=False)

    def _macro(self, sheet: MacroSheet, matrix: Array, key: int) -> Array:
        """A matrix [K, N] in the macros of a chip with faults of its own, read back from the first replica."""
        cells = (sheet.scheme.cells, *sheet.tiling(*matrix.shape).spread(matrix).shape)
        count = sheet.arrays * sheet.replicas
        stuck = [conductance.stuck(sheet.device, cells, derive(key, "stuck", a)) for a in range(count)]
        layer = Layer.program(matrix, sheet, key, 0.0, stuck)
        parts = [bar.read_back(self.age, derive(key, "read", a)) for a, bar in enumerate(layer.replicas[0])]
        return np.asarray(np.sum(parts, axis=0))

    def _pairs(self, device: DeviceSheet, matrix: Array, key: int) -> Array:
        """A matrix [K, N] on pairs of cells, each weight a level of one of the two."""
        scheme = Scheme("differential", (device.levels - 1,))
        codes, scale = weights_to_codes(matrix, scheme.levels)
        asked = levels_to_conductances(codes_to_levels(codes, scheme), scheme, device.g_min, device.g_max)
        faults = conductance.stuck(device, asked.shape, derive(key, "stuck"))
        cells = conductance.program(device, device.nearest(asked), key, faults)
        actual = conductance.conductance(device, cells, self.age)
        sampled = conductance.sampled(device, actual, self.age, derive(key, "read"), cells=cells)
        return np.asarray((sampled[0] - sampled[1]) * (scale / device.step))


def harden(
    module: Any,
    batches: Iterable[tuple[Any, Any]],
    *,
    device: str | Path | Mapping[str, Any],
    loss: Loss = torch.nn.functional.cross_entropy,
    epochs: int = 20,
    rate: float = 1e-3,
    layers: Sequence[str] = ("*",),
    age: float | None = None,
    seed: int = 0,
) -> Any:
    """Return a copy of a module, fine-tuned so that it works with the weights that a device holds.

    ``batches`` of (inputs, targets) are gone through ``epochs`` times, with ``loss(outputs, targets)`` and Adam at
    learning ``rate``; inputs are a tensor or a tuple of them. Each batch meets chips of its own. The other arguments
    are those of `Noise`. The module is left as it is; the copy is in evaluation mode.
    """
    _refuse(module, batches, epochs)
    first = next(iter(batches), None)
    if first is None:
        raise InputError.of("there are no batches to train on")
    noise = Noise(module, _inputs(first), device=device, layers=layers, age=age, seed=seed)
    hardened = copy.deepcopy(module).train()
    trained = [x for x in hardened.parameters() if x.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(epochs, 1))
    use = 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(epochs):
            for batch in batches:
                optimiser.zero_grad()
                with noise.injected(hardened, use):
                    loss(hardened(*_inputs(batch)), batch[1]).backward()
                optimiser.step()
                use += 1
            schedule.step()
    return hardened.eval()


def _refuse(module: Any, batches: Any, epochs: int) -> None:
    if not isinstance(module, torch.nn.Module):
        raise InputError.of(f"a torch.nn.Module is expected, found {type(module).__name__}")
    if iter(batches) is batches:
        raise InputError.of("batches can be gone through only once", "give a list or a DataLoader")
    if epochs < 0:
        raise InputError.of(f"epochs are {epochs}", "give a number from 0 on")


def _inputs(batch: Any) -> tuple[Any, ...]:
    """A batch's inputs as a tuple."""
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise InputError.of(f"a batch is a pair of inputs and targets, found {type(batch).__name__}")
    return tuple(batch[0]) if isinstance(batch[0], tuple | list) else (batch[0],)


def datasheet(device: str | Path | Mapping[str, Any]) -> MacroSheet | DeviceSheet:
    """The datasheet of a chip or of a device; InputError for anything else."""
    block = dict(device) if isinstance(device, Mapping) else {"use": str(device)}
    tree = filled(stripped(of(block, Source("device", Path()))), (Path(),))
    kind = str(tree.plain().get("kind", ""))
    forms: dict[str, type[BaseModel]] = {name: part.sheet_type for name, part in kinds().items()}
    form = (forms | {"device": DeviceSheet}).get(kind)
    if form is None or not issubclass(form, MacroSheet | DeviceSheet):
        hint = "such as imc/rram_wan_nature_2022 or devices/rram_wan_nature_2022"
        raise InputError.of(f"{device!r} is no chip with crossbars and no device", hint)
    try:
        return form.model_validate(tree.plain())
    except ValidationError as error:
        raise InputError(problems(error, tree, form)) from None
