"""Processor time, page faults and peak memory of a training step, with freed memory handed back and with it kept.

    python benchmarks/learning_speed.py                    # about 2 minutes; other work beside hardly matters

`nuclei-unet`, crops of 256 px, eight a step, on TNBC's `train` rows; each way in a process of its own. Seconds are of
the processor, in the program (user) and in the system, not on the clock.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from typing import Any

from _common import DATA, machine, option_parser, peak_mib, print_table

from napari_nucseg.learning import training
from napari_nucseg.learning.job import TrainingJob

WARM_UP_STEPS = 3
HEADER = ["freed memory", "user, s", "system, s", "page faults", "peak memory, MiB"]


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument(
        "--way", choices=("handed back", "kept"), help="measure one in this process, print JSON"
    )
    args = parser.parse_args()
    if args.way:
        print(json.dumps(measure(args.way, args.steps)))
        return
    rows = []
    for way in ("handed back", "kept"):
        command = [sys.executable, __file__, "--way", way, "--steps", str(args.steps)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rows.append([way, *json.loads(answer.splitlines()[-1])])
    print(f"{machine()}\n\nMean of {args.steps} steps:\n")
    print_table(HEADER, rows)


def measure(way: str, n_steps: int) -> list[object]:
    """Train some steps and return what one takes."""
    if way == "handed back":
        training.reuse_freed_memory = lambda: None
    total = WARM_UP_STEPS + n_steps + 1  # the last one also looks at the network
    with tempfile.TemporaryDirectory() as folder:
        marks = [_usage() for progress in training.train_steps(_job(folder, total)) if progress.step]
    first, last = marks[WARM_UP_STEPS - 1], marks[total - 2]
    each = [(after - before) / n_steps for before, after in zip(first, last, strict=True)]
    return [each[0], each[1], round(each[2]), round(peak_mib())]


def _job(folder: str, steps: int) -> TrainingJob:
    source: dict[str, Any] = {"path": DATA / "tnbc", "index": DATA / "index.csv", "dataset": "tnbc"}
    return TrainingJob(
        data=[source],
        output=folder,
        start="nuclei-unet",
        learn="all",
        architecture={
            "kind": "unet",
            "encoder": "tu-regnetx_006",
            "encoder_depth": 4,
            "decoder_channels": [128, 64, 32, 16],
            "full_size_channels": 8,
        },
        augment={"crop_px": 256},
        batch_size=8,
        steps=steps,
        validation={"share": 0},
        size=None,
        judge=None,
    )


def _usage() -> tuple[float, float, int]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime, used.ru_stime, used.ru_minflt


if __name__ == "__main__":
    main()
