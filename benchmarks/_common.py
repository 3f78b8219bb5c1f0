"""What the benchmark scripts share: the machine in one line, Markdown tables, the real images and their folds."""

from __future__ import annotations

import os
import platform
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from napari_nucseg import open_dataset
from napari_nucseg.data.rows import read_rows, select_rows
from napari_nucseg.network.device import choose_device

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_nucseg.data.sample import Sample

DATA = Path(os.environ.get("NUCSEG_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
FOLDS = 4
"""Of groups of `train`, for what is taught beside the network."""


def train_samples(dataset: str, kind: str | None = None, every: int = 1) -> list[Sample]:
    """Read every n-th `train` image of a dataset, of one kind where it is given."""
    rows = read_rows(DATA / "index.csv", dataset=dataset, split="train", kind=kind)
    return list(select_rows(open_dataset(DATA / dataset), rows).valid(lambda *_: None))[::every]


def fold_of(group: str) -> int:
    """Fold of a group of images, 0 to FOLDS - 1, the same in every script."""
    return sum(group.encode()) % FOLDS


def machine(precision: str = "auto") -> str:
    """Date, processor, threads, precision and torch version, for the line above a table."""
    device = choose_device("auto", precision)
    isa = torch.backends.cpu.get_cpu_capability()
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA")
    parts = [str(date.today()), _processor(), f"{torch.get_num_threads()} threads", isa, device.precision]
    parts += [f"oneDNN limited to {limit}"] if limit else []
    return " · ".join([*parts, device.description, f"torch {torch.__version__.split('+')[0]}"])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine()
    )


def print_table(header: list[str], rows: list[list[object]]) -> None:
    """Print a Markdown table."""
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(rounded(row)) + " |")
    print()


def rounded(row: Iterable[object]) -> list[str]:
    """Write cells of a table as text; numbers are rounded to three digits."""
    return [f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row]
