"""``kill -9`` while corrections are journalled and while a model is taught: what is lost, what is damaged.

    python benchmarks/kills.py [--journal 100] [--training 20] [--napari 3] [--seed 0]

(under ``xvfb-run -a`` where there is no screen, or with ``--napari 0``)

Journal: a process paints, marks areas as reviewed and from time to time writes the journal anew, until it is killed;
then the journal is read and compared with what that process had told. Training: ``nucseg finetune`` is killed and
resumed until it is through; after each kill every file of the run is read, and the old model compared. Napari: somebody
paints in a real window that is killed; another one must offer the edits, and restores them.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from _common import option_parser, print_table
from _napari_painter import strokes_wrong
from safetensors import SafetensorError, safe_open

from napari_nucseg.data.correction_set import CorrectionSet, save_correction_set
from napari_nucseg.data.journal import Journal, Part, abandoned_journals, replay
from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.errors import JournalError, ModelFileError
from napari_nucseg.network.architectures import Architecture, build_network
from napari_nucseg.network.model_card import ModelCard
from napari_nucseg.network.model_file import load_model, save_model

PAINTER = """
import sys
import numpy as np
from napari_nucseg.data.journal import Journal, JournalHeader, Part
labels, trust = np.zeros((512, 512), np.int32), np.zeros((512, 512), np.uint8)
header = JournalHeader(shape=labels.shape, dtype="int32", base="")
journal = Journal.create(sys.argv[1], header, {Part.LABELS: labels, Part.TRUST: trust})
rng = np.random.default_rng(int(sys.argv[2]))
for stroke in range(1, 1_000_000):
    y, x = rng.integers(0, 400, 2)
    labels[y : y + 100, x : x + 100] = stroke
    journal.record(Part.LABELS, (y, x), labels[y : y + 100, x : x + 100])
    trust[y : y + 50, x : x + 50] = 1
    journal.record(Part.TRUST, (y, x), trust[y : y + 50, x : x + 50])
    if stroke % 40 == 0:
        journal.compact({Part.LABELS: labels, Part.TRUST: trust})
    print(stroke, flush=True)
"""
TINY = Architecture(
    encoder="plain",
    encoder_depth=2,
    encoder_widths=(8, 8, 8),
    encoder_convolutions=(1, 1, 1),
    decoder_channels=(8, 8),
)
STEPS = 60
NAPARI = Path(__file__).with_name("_napari_painter.py")
PART_FILES = ".*.part"
AFTER, WITHIN, WRITING = MOMENTS = ("after a stroke", "in a stroke", "while the journal is written anew")


@dataclass(frozen=True)
class Outcome:
    """What a kill left: strokes (journal) lost beyond the one in hand, and what is damaged."""

    lost: int = 0
    damaged: tuple[str, ...] = ()
    torn: bool = False
    """Something was being written."""
    resumed_at: int = 0
    """First learning step that the killed run told."""


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--journal", type=int, default=100, metavar="KILLS")
    parser.add_argument("--training", type=int, default=20, metavar="KILLS")
    parser.add_argument("--napari", type=int, default=3, metavar="KILLS")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as scratch:
        journals = []
        for seed in range(args.journal):
            journals.append(kill_journal(Path(scratch), seed, rng))
            print(f"{seed + 1}: {journals[-1]}", file=sys.stderr)
        training, finished = kill_training(Path(scratch), args.training, rng)
        windows = []
        for number in range(args.napari):
            moment = MOMENTS[number % len(MOMENTS)]
            windows.append(kill_napari(Path(scratch) / f"napari-{number}", moment, rng))
            print(f"{moment}: {windows[-1]}", file=sys.stderr)
    header = ["killed while", "kills", "in a write", "strokes lost beyond the one in hand", "damaged files"]
    rows: list[list[object]] = []
    for name, outcomes in (("painting", journals), ("teaching", training), ("painting in napari", windows)):
        damaged = Counter(file for outcome in outcomes for file in outcome.damaged)
        lost = sum(outcome.lost for outcome in outcomes)
        rows.append([name, len(outcomes), sum(o.torn for o in outcomes), lost, damaged or 0])
    print_table(header, rows)
    resumed = sum(outcome.resumed_at > 1 for outcome in training)
    print(
        f"Of the killed runs {resumed} had gone on from a checkpoint; teaching came to its end {finished} times."
    )


def kill_journal(folder: Path, seed: int, rng: random.Random) -> Outcome:
    """Paint until killed, and compare what the journal holds with what was told."""
    path = folder / f"{seed}.nucsegjournal"
    with subprocess.Popen(
        [sys.executable, "-c", PAINTER, str(path), str(seed)], stdout=subprocess.PIPE
    ) as painter:
        first = painter.stdout.readline()
        time.sleep(rng.uniform(0, 0.6))
        painter.kill()
        told = int((first + painter.stdout.read()).split(b"\n")[-2])
    try:
        journal, found = Journal.resume(path)
    except JournalError as error:
        return Outcome(told, (str(error),))
    states = [painted(seed, n) for n in (told, told + 1)]
    labels_right = any((found.labels == labels).all() for labels, _ in states)
    trust_right = any((found.trust == trust).all() for _, trust in states)
    journal.record(Part.LABELS, (0, 0), found.labels[:5, :5])
    journal.discard()
    return Outcome(0 if labels_right and trust_right else 1, torn=found.lost_bytes > 0)


def kill_napari(folder: Path, moment: str, rng: random.Random) -> Outcome:
    """Paint in a real napari until it is killed at a moment; compare what another one offers with what was told."""
    journals, restored = folder / "journals", folder / "restored.npy"
    environment = os.environ | {"NUCSEG_JOURNAL": str(journals)}
    with subprocess.Popen(
        [sys.executable, NAPARI, "paint"], stdout=subprocess.PIPE, env=environment
    ) as painter:
        told = _killed_at(painter, moment, rng, journals)
    if not told:
        raise RuntimeError("napari did not come up. Is there a screen? If not, run this under xvfb-run -a.")
    try:
        torn = any(replay(path).lost_bytes for path, _ in abandoned_journals(journals))
    except JournalError as error:
        return Outcome(told, (str(error),))
    torn |= any(journals.glob(PART_FILES))
    command = [sys.executable, NAPARI, "restore", restored]
    restoring = subprocess.run(command, env=environment, capture_output=True, text=True)
    if restoring.returncode:
        return Outcome(told, (restoring.stderr.strip().splitlines()[-1],), torn)
    return Outcome(strokes_wrong(np.load(restored), told), torn=torn)


def _killed_at(painter: subprocess.Popen[bytes], moment: str, rng: random.Random, journals: Path) -> int:
    """Kill at a moment of a kind, some strokes after the start; how many strokes had been told as done."""
    wanted, told = rng.randint(10, 30), 0
    for line in painter.stdout:
        word, stroke, kind = line.decode().split()
        told = int(stroke) if word == "did" else told
        if told < wanted:
            continue
        if moment == AFTER and word == "did":
            break
        if moment == WITHIN and (word, kind) == ("begins", "line"):
            time.sleep(rng.uniform(0, 0.05))
            break
        if moment == WRITING and (word, kind) == ("begins", "fill") and _seen(journals):
            break
    painter.kill()
    rest = [line.split() for line in painter.stdout.read().decode().split("\n")[:-1]]
    return max([told, *(int(stroke) for word, stroke, _ in rest if word == "did")])


def _seen(journals: Path) -> bool:
    """Wait for a journal that is being written."""
    until = time.monotonic() + 1
    while time.monotonic() < until:
        if any(journals.glob(PART_FILES)):
            return True
    return False


def painted(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and trust map after n strokes, as the painter makes them."""
    labels, trust = np.zeros((512, 512), np.int32), np.zeros((512, 512), np.uint8)
    rng = np.random.default_rng(seed)
    for stroke in range(1, n + 1):
        y, x = rng.integers(0, 400, 2)
        labels[y : y + 100, x : x + 100] = stroke
        trust[y : y + 50, x : x + 50] = 1
    return labels, trust


def kill_training(folder: Path, kills: int, rng: random.Random) -> tuple[list[Outcome], int]:
    """Teach a tiny model, kill and resume until it is through, and again; count how often it came through."""
    if not kills:
        return [], 0
    base, examples = folder / "base.safetensors", folder / "cells"
    save_tiny_model(base)
    before = hashlib.sha256(base.read_bytes()).hexdigest()
    sample = synthetic_fluorescence((160, 160), seed=1)
    reviewed = np.ones(sample.labels.shape, np.uint8)
    save_correction_set(examples, CorrectionSet(sample.image, "YX", sample.labels, reviewed, name="cells"))
    outcomes: list[Outcome] = []
    run = 0
    while True:
        command = [sys.executable, "-m", "napari_nucseg", "finetune", "--model", str(base), "--json"]
        command += ["--examples", str(examples), "-o", str(folder / f"taught-{run}.safetensors")]
        command += ["--steps", str(STEPS), "--device", "cpu", "--threads", "1", "--force"]
        if (folder / "runs" / f"taught-{run}" / "checkpoint.safetensors").exists():
            command.append("--resume")
        through, resumed_at = _killed_or_through(command, folder, rng if len(outcomes) < kills else None)
        damaged = damaged_files(folder)
        if hashlib.sha256(base.read_bytes()).hexdigest() != before:
            damaged = (*damaged, "the old model")
        if not through or damaged:
            outcomes.append(Outcome(damaged=damaged, resumed_at=resumed_at))
            print(f"{len(outcomes)}: {outcomes[-1]}", file=sys.stderr)
        run += through
        if through and len(outcomes) >= kills:
            return outcomes, run


def save_tiny_model(path: Path) -> None:
    """Save a model that was never trained and is soon taught."""
    torch.manual_seed(0)
    card = ModelCard(name="base", title="Base", architecture=TINY, canonical_diameter_px=24, halo_px=16)
    save_model(path, card, build_network(TINY))


def _killed_or_through(command: list[str], folder: Path, rng: random.Random | None) -> tuple[bool, int]:
    """Run until a random step, or a moment after the learning, or to the end; whether it came through, and from where.

    A run that goes on from a checkpoint tells a step beyond the first at once.
    """
    environment = os.environ | {"NUCSEG_CACHE": str(folder / "cache")}
    first, spares_the_end = None, rng is None or rng.random() < 0.6
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=folder, env=environment) as child:
        for line in child.stdout:
            told = json.loads(line)
            if "error" in told:
                raise RuntimeError(told["error"])
            if "result" in told:
                return True, first or 0
            stage, step = told["progress"]["stage"], told["progress"]["step"]
            if stage == "learning" and first is None:
                first = step
                last = step + rng.randint(0, STEPS // 2) if rng else STEPS
            ending = stage in ("comparing", "saving") and not spares_the_end
            if rng and ((stage == "learning" and step >= last) or ending):
                time.sleep(rng.expovariate(4))
                child.kill()
                break
    return False, first or 0


def damaged_files(folder: Path) -> tuple[str, ...]:
    """Names of model files, checkpoints and reports that cannot be read; part files are none."""
    damaged = []
    for path in folder.rglob("[!.]*"):
        try:
            if path.name == "checkpoint.safetensors":
                with safe_open(path, framework="pt") as file:
                    [file.get_tensor(key) for key in file.keys()]
            elif path.suffix == ".safetensors":
                load_model(path)
            elif path.suffix == ".json":
                json.loads(path.read_text(encoding="utf8"))
            elif path.suffix == ".npy":
                np.load(path)
        except (SafetensorError, ModelFileError, ValueError, OSError):
            damaged.append(path.name)
    return tuple(damaged)


if __name__ == "__main__":
    main()
