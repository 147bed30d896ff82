"""A pole on a cart [Barto 1983; Florian 2007]: positions and speeds under pushes to the left and to the right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hetsim.workload import Array

GRAVITY, CART, POLE, HALF, FORCE, TICK = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02  # m/s², kg, kg, m, N, s
LIMIT = 200  # steps after which a pole counts as balanced
RANGES = np.array([2.4, 2.0, 0.21, 2.0], "float32")  # m, m/s, rad, rad/s: what is usual while it stays up


def moved(states: Array, actions: Array) -> Array:
    """States [m, 4] (position, speed, angle, angular speed) a time step after pushes, 1 to the right, 0 to the left."""
    x, v, angle, turn = states.T
    mass, sin, cos = CART + POLE, np.sin(angle), np.cos(angle)
    push = (np.where(actions == 1, FORCE, -FORCE) + POLE * HALF * turn**2 * sin) / mass
    spin = (GRAVITY * sin - cos * push) / (HALF * (4 / 3 - POLE * cos**2 / mass))
    pull = push - POLE * HALF * spin * cos / mass
    return np.stack([x + TICK * v, v + TICK * pull, angle + TICK * turn, turn + TICK * spin], axis=1)


def fallen(states: Array) -> Array:
    """Whether the pole leans by more than 12 degrees or the cart is off the track: bool [m]."""
    return np.asarray((np.abs(states[:, 0]) > 2.4) | (np.abs(states[:, 2]) > np.pi / 15))
