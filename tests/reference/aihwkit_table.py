"""Mean and spread of conductances over time by aihwkit's noise models, as a table in `aihwkit.csv`.

Run it in an environment of its own, since aihwkit wants its own versions:

    python -m venv elsewhere && elsewhere/bin/pip install aihwkit==1.1.0 torch==2.13.0
    elsewhere/bin/python tests/reference/aihwkit_table.py > tests/reference/aihwkit.csv

Ages are counted from programming: to ages of PCM models aihwkit adds the time of their first read itself.
"""

from __future__ import annotations

import sys

SAMPLES = 200_000
DAY, YEAR = 86_400.0, 31_557_600.0
SHARES = (0.05, 0.2, 0.5, 0.8, 1.0)  # of the largest conductance


def models() -> dict:
    """Each model with its largest conductance in uS and its ages in seconds."""
    from aihwkit.inference.noise.hermes import HermesNoiseModel
    from aihwkit.inference.noise.pcm import PCMLikeNoiseModel
    from aihwkit.inference.noise.reram import ReRamCMONoiseModel, ReRamWan2022NoiseModel

    ages = (1e3, DAY, YEAR)
    return {
        "pcm_nandakumar_icecs_2019": (PCMLikeNoiseModel(), 25.0, 20.0, (20.0, *ages)),
        "pcm_hermes_legallo_natelectron_2023_one": (HermesNoiseModel(num_devices=1), 10.35, 200.0, (200.0, *ages)),
        "pcm_hermes_legallo_natelectron_2023_two": (HermesNoiseModel(num_devices=2), 20.7, 300.0, (300.0, *ages)),
        "rram_wan_nature_2022": (ReRamWan2022NoiseModel(g_max=40.0), 40.0, 0.0, (1.0, DAY, 2 * DAY)),
        "rram_cmo_falcone_fine": (ReRamCMONoiseModel(acceptance_range=0.2), 88.199997, 0.0, (1.0, *ages)),
        "rram_cmo_falcone_coarse": (ReRamCMONoiseModel(acceptance_range=2), 88.199997, 0.0, (1.0, *ages)),
    }


def main() -> None:
    """Print the table."""
    import torch

    torch.manual_seed(1)
    print("device,g_uS,age_s,mean_uS,sigma_uS")
    for name, (model, largest, first, ages) in models().items():
        for share in SHARES[1:4] if "cmo" in name else SHARES:  # its model ends at both ends of the window
            target = torch.full((SAMPLES,), share * largest)
            programmed = model.apply_programming_noise_to_conductance(target)
            drift = model.generate_drift_coefficients(target)
            for age in ages:
                read = model.apply_drift_noise_to_conductance(programmed, drift, age - first).double()
                print(f"{name},{share * largest:.6g},{age:.8g},{read.mean().item():.6g},{read.std().item():.6g}")


if __name__ == "__main__":
    sys.exit(main())
