"""Seconds and peak memory of each stage, for three image sizes. Run it with nothing else running.

    python benchmarks/speed.py [--model NAME]
    ONEDNN_MAX_CPU_ISA=AVX2 python benchmarks/speed.py --precision float32     # what most laptops have

Each size is measured in a process of its own, so that peak memory is its own; the median of the repeats is shown.
"""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
from _common import machine, option_parser, peak_mib, print_table

from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.segmentation.segment import segment

SIZES_PX = (512, 1024, 4096)
STAGES = ("normalise", "size", "network", "decode", "total")


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--size", type=int, help="measure this size in this process and print JSON")
    args = parser.parse_args()
    if args.size:
        print(json.dumps(measure(args.size, args.model, args.precision, args.repeats)))
        return
    rows = []
    for size in SIZES_PX:
        command = [sys.executable, __file__, "--size", str(size)]
        command += ["--model", args.model, "--precision", args.precision]
        command += ["--repeats", str(args.repeats if size < 4096 else 1)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rows.append(list(json.loads(answer.splitlines()[-1]).values()))
    print(f"{machine(args.precision)}\n\nSeconds by stage, synthetic fluorescence with 24 px nuclei:\n")
    print_table(["image", "nuclei", *STAGES, "peak memory, MiB", "of it before, MiB"], rows)


def measure(size: int, model: str, precision: str, repeats: int) -> dict[str, object]:
    """Time the stages on one image; the first run, which loads and warms up, is not counted."""
    image = synthetic_fluorescence((size, size), seed=0).image
    segment(image[:256, :256], model=model, precision=precision)
    before = peak_mib()
    runs = [segment(image, model=model, precision=precision) for _ in range(repeats)]
    stages = {stage: float(np.median([run.timings[stage] for run in runs])) for stage in STAGES}
    return {
        "image": f"{size}²",
        "nuclei": runs[0].n_nuclei,
        **stages,
        "peak": round(peak_mib()),
        "before": round(before),
    }


if __name__ == "__main__":
    main()
