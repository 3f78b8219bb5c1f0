"""Stands in for ``nucseg finetune`` where only the window is tested: same arguments, lines and files, no network.

The file named by ``NUCSEG_TEST_SCRIPT`` says what happens: how many steps, how long each takes, which model to hand
over and which judgement on it.
"""

import argparse
import csv
import json
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np


def say(**line):
    print(json.dumps(line), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("--job", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()
    job = json.loads(args.job.read_text())
    script = json.loads(Path(os.environ["NUCSEG_TEST_SCRIPT"]).read_text())
    folder = Path(job["output"]) / job["name"]
    checkpoint = folder / "checkpoint.safetensors"
    if script.get("error"):
        say(error=script["error"])
        return 1
    if script.get("dies"):
        sys.exit("out of luck")
    say(progress={"stage": "reading"})
    say(progress={"stage": "checking the old model"})
    first = int(checkpoint.read_text()) if args.resume and checkpoint.exists() else 0
    preview = _preview(job, folder)
    steps = script["steps"]
    for step in range(first, steps + 1):
        stopping = (folder / "stop").exists()
        if step == 1 or (step and (step % 5 == 0 or stopping)):
            _save(checkpoint, step)
            _log(folder, step, steps)
        scores, losses = _scores(step, steps), _losses(step)
        report = {"stage": "learning", "step": step, "total": steps, "scores": scores, "losses": losses}
        say(progress=report | {"seconds_left": (steps - step) * script["seconds"], "preview": preview})
        if stopping:
            break
        time.sleep(script["seconds"])
    say(progress={"stage": "comparing", "step": step, "total": steps})
    time.sleep(script["seconds"])
    model = folder / f"{job['name']}.safetensors"
    shutil.copyfile(script["model"], model)
    result = {**script["result"], "model": str(model)}
    (folder / "result.json").write_text(json.dumps(result))
    say(result=result)
    return 0


def _scores(step, steps):
    if step % 5:
        return {}
    return {"ap50": 0.6 + 0.2 * step / steps, "held_out_loss": 0.9 - 0.5 * step / steps}


def _losses(step):
    return {"foreground": 1.0 / (1 + step), "core": 0.5 / (1 + step)} if step else {}


def _log(folder, last, steps):
    with (folder / "log.csv").open("w", newline="") as file:
        columns = ("step", "seconds", "foreground", "distance", "core", "held_out_loss", "ap50")
        log = csv.DictWriter(file, columns, restval="")
        log.writeheader()
        log.writerows({"step": step} | _losses(step) | _scores(step, steps) for step in range(last + 1))


def _save(checkpoint: Path, step: int) -> None:
    """Write the step whole or not at all: the real child may be killed at any time, too."""
    part = checkpoint.with_suffix(".part")
    part.write_text(str(step))
    part.replace(checkpoint)


def _preview(job, folder):
    if job["preview"] is None:
        return None
    pixels = np.load(job["preview"]["image"])
    labels = np.zeros(pixels.shape[:2] if job["preview"]["axes"][0] == "Y" else pixels.shape[1:], np.int32)
    labels[:20, :20] = 1
    np.save(folder / "preview.npy", labels)
    return str(folder / "preview.npy")


if __name__ == "__main__":
    sys.exit(main())
