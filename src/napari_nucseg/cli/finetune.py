"""``nucseg finetune``: corrections become a new model, with a judgement on it."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_nucseg.cli.console import note, say, say_json, show_progress
from napari_nucseg.cli.interrupts import told_how_to_go_on
from napari_nucseg.cli.naming import as_place
from napari_nucseg.counted import count_words, duration_words
from napari_nucseg.errors import NucSegError, SettingsError
from napari_nucseg.network.places import SUFFIX
from napari_nucseg.steps import drain, told_as

if TYPE_CHECKING:
    import argparse
    from collections.abc import Generator, Sequence

    from napari_nucseg.teaching.job import FinetuneJob
    from napari_nucseg.teaching.progress import Comparison, FinetuneProgress, FinetuneResult

_EXPLAINED = (
    "Examples are correction sets, folders of them, folders worked through, or any dataset with labels. The old "
    "model is never changed. Relative paths in a job file count from the file. Stopped runs go on with --resume; "
    "a file named 'stop' in the run's folder ends learning early and keeps the best so far."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``nucseg finetune``."""
    parser.epilog = _EXPLAINED
    parser.add_argument("--job", type=as_place, metavar="FILE", help="YAML or JSON file with the settings.")
    parser.add_argument("--model", metavar="BASE", help="Model to teach: name or file. Default: auto.")
    parser.add_argument(
        "--examples", nargs="+", type=as_place, metavar="DIR", help="Corrections to learn from, or check on."
    )
    parser.add_argument(
        "--check", nargs="+", type=as_place, default=[], metavar="DIR", help="Corrections to check on only."
    )
    parser.add_argument(
        "--pin",
        nargs="+",
        type=as_place,
        metavar="DIR",
        help="Images with labels on which nothing may get worse.",
    )
    parser.add_argument(
        "--preset", choices=("quick", "standard", "thorough"), help="How long to learn. Default: standard."
    )
    parser.add_argument(
        "--keep-old-skills",
        type=float,
        metavar="SHARE",
        help="0: only the corrections count. 1: change as little as possible. Default: 0.5.",
    )
    parser.add_argument("--steps", type=int, metavar="N", help="Learning steps, in place of the preset's.")
    parser.add_argument("--device", help="auto, cuda, mps or cpu. Default: auto.")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads. Default: all.")
    parser.add_argument(
        "--seed", type=int, metavar="N", help="The same seed gives the same model. Default: 0."
    )
    parser.add_argument(
        "-o",
        "--output",
        type=as_place,
        metavar="NEW",
        help=f"File of the new model, NAME{SUFFIX}, or its name. Default: my-nuclei.",
    )
    parser.add_argument("--force", action="store_true", help="Replace another model or file that NEW names.")
    parser.add_argument("--resume", action="store_true", help="Go on from the run's last checkpoint.")
    parser.add_argument("--estimate", action="store_true", help="Only say how many seconds it would take.")
    parser.add_argument("--json", action="store_true", help="Print one JSON line a report.")


def run(args: argparse.Namespace) -> int:
    """Teach; the last line of the output is the new model's file."""
    try:
        return _estimate(args) if args.estimate else _finetune(args)
    except NucSegError as error:
        if args.json:
            say_json({"error": str(error)})
        raise


def _finetune(args: argparse.Namespace) -> int:
    from napari_nucseg.learning.place import CHECKPOINT

    job = _job(args)
    copied = args.output if args.output is not None and args.output.suffix == SUFFIX else None
    agreed = None if copied is None else _check_copy(copied, job, force=args.force)
    words = "" if args.json else "The same command with --resume goes on."  # the window has its own
    with told_how_to_go_on(job.folder / CHECKPOINT, words, resumed=args.resume):
        steps = _until_asked(job, resume=args.resume, force=args.force)
        tried: list[str] = []
        result = drain(told_as(steps, partial(_report, tried=tried, as_json=args.json)))
    if copied is not None:
        result = _put(result, copied, agreed)
    if args.json:
        say_json({"result": result.model_dump(mode="json")})
    else:
        _tell(result, tried)
    return 0


def _until_asked(
    job: FinetuneJob, *, resume: bool, force: bool
) -> Generator[FinetuneProgress, None, FinetuneResult]:
    """Teach to the end, or until a file named stop lies in the run's folder, which is meant for this run alone."""
    from napari_nucseg.teaching.finetuning import finetune_steps  # late: loads torch

    stop = job.folder / "stop"
    steps = finetune_steps(job, stop=stop.exists, resume=resume, force=force)
    with closing(steps):
        # refused by then if another run goes on there, whose file it is
        first = next(steps)
        try:
            if not resume:  # one that goes on may have been asked to end already
                stop.unlink(missing_ok=True)
            yield first
            return (yield from steps)
        finally:
            stop.unlink(missing_ok=True)


def _estimate(args: argparse.Namespace) -> int:
    job = _job(args)
    places = [example.path for example in job.examples]
    if places and not any(map(Path.exists, places)):
        raise SettingsError(f"no example is there: {', '.join(map(str, places))}. Check the paths.")
    from napari_nucseg.teaching.trial import estimate_steps  # late: loads torch

    seconds = drain(estimate_steps(job))
    say_json({"seconds": seconds}) if args.json else say(f"about {seconds:.0f} s")
    return 0


def _job(args: argparse.Namespace) -> FinetuneJob:
    """Read the job and put in place what the command line says."""
    from napari_nucseg.teaching.job import load_finetune_job, make_finetune_job

    changes = _changes(args)
    if args.job is not None:
        said = load_finetune_job(args.job).model_dump()
        if args.examples is None:  # those to check on come to the job's own
            known = {(Path(example["path"]).resolve(), example["use"]) for example in said["examples"]}
            checks = [e for e in changes.get("examples", ()) if (e["path"].resolve(), e["use"]) not in known]
            changes["examples"] = [*said["examples"], *checks]
        said |= changes
    elif args.examples is None:
        raise SettingsError("nothing says what to learn from: give --examples DIR …, or --job FILE")
    else:
        said = {"output": Path("runs").absolute()} | changes
    return make_finetune_job(said)


def _changes(args: argparse.Namespace) -> dict[str, Any]:
    """Return what the command line puts in place of the job's settings."""
    names = ("model", "preset", "keep_old_skills", "steps", "device", "threads", "seed")
    changes = {name: value for name in names if (value := getattr(args, name)) is not None}
    if args.examples is not None or args.check:
        examples = [{"path": path.absolute()} for path in args.examples or ()]
        changes["examples"] = [*examples, *({"path": p.absolute(), "use": "check"} for p in args.check)]
    if args.pin is not None:
        changes["pinned"] = [path.absolute() for path in args.pin]
    if args.output is not None:
        _check_name(args.output)
        changes["name"] = args.output.name.removesuffix(SUFFIX)
        changes["output"] = args.output.absolute().parent / "runs"
    return changes


def _check_name(new: Path) -> None:
    """Refuse what is neither a model file nor a mere name; names may have dots, as v1.2 has."""
    from napari_nucseg.data.layout import is_image  # late: loads numpy

    is_file = len(new.parts) > 1 or is_image(new.name) or new.suffix in (".pt", ".pth")
    if is_file and new.suffix != SUFFIX:
        raise SettingsError(
            f"got --output {new}: a model file's name ends in {SUFFIX}, and a mere name has no folder"
        )


def _check_copy(place: Path, job: FinetuneJob, *, force: bool) -> str | None:
    """Refuse, before anything is learned, to put the new model where something would be lost.

    Returns the hash of the file that may be replaced; None where there is none.
    """
    from napari_nucseg.learning.place import check_place
    from napari_nucseg.network.installed import find_model
    from napari_nucseg.network.lineage import sha256_of
    from napari_nucseg.teaching.finetuning import FORCE

    check_place(place, find_model(job.model), replace=force, otherwise=FORCE)
    return sha256_of(place) if place.is_file() else None


def _put(result: FinetuneResult, wanted: Path, agreed: str | None) -> FinetuneResult:
    """Copy the new model to where it is wanted, whole or not at all; beside a file that came there meanwhile."""
    from napari_nucseg.network.installing import copy_model
    from napari_nucseg.network.lineage import sha256_of

    place, number = wanted, 1
    if wanted.exists() and not (wanted.is_file() and sha256_of(wanted) == agreed):
        while place.exists():
            number += 1
            place = wanted.with_name(f"{wanted.stem}-{number}{SUFFIX}")
        note(
            f"{wanted} was written by something else meanwhile and stays as it is: the new model is {place}."
        )
    copy_model(result.model, place.stem, place)
    return result.model_copy(update={"model": place.absolute()})


def _report(progress: FinetuneProgress, *, tried: list[str], as_json: bool) -> None:
    """Tell progress; judgements go into ``tried``, since the last line repeats one of them."""
    if as_json:
        say_json({"progress": progress.model_dump(mode="json")})
        return
    if progress.message and progress.stage == "comparing":
        tried.append(progress.message)
    elif progress.message:
        note(progress.message)
    line = f"{progress.stage}, step {progress.step}/{progress.total}"
    if progress.scores:
        figures = ", ".join(f"{name} {value:.3f}" for name, value in progress.scores.items())
        note(f"{line}: {figures}, {progress.seconds:.0f} s")
    else:
        left = "" if progress.seconds_left is None else f", {duration_words(progress.seconds_left)} left"
        show_progress(f"{line}{left}")


def _tell(result: FinetuneResult, tried: Sequence[str]) -> None:
    """Print the judgement, a line a comparison, what else was tried, and the file."""
    from napari_nucseg.teaching.comparison_words import USES

    for use in result.examples:
        nuclei = "" if use.use == "left out" else f"{count_words(use.n_nuclei, 'nucleus', 'nuclei')}, "
        note(f"{use.name}: {nuclei}{USES[use.use]}. {use.problem}".rstrip())
    for comparison in result.comparisons:
        note(_line(comparison))
    for warning in result.warnings:
        note(warning)
    for words in tried:
        if not result.words.startswith(words):
            note(f"Tried and left: {words}")
    note(f"{result.verdict}: {result.words}")
    if result.part_words:
        note(f"{result.part_words}; the scores while it learned are of all of it.")
    say(str(result.model))


def _line(c: Comparison) -> str:
    from napari_nucseg.teaching.comparison_words import name_words, verdict_words

    name, outcome = name_words(c.name), verdict_words(c)
    nuclei, images = count_words(c.n_nuclei, "nucleus", "nuclei"), count_words(c.n_images, "image")
    if not c.n_nuclei:
        return f"{name}: no AP50, on {nuclei} of {images}: {outcome}"
    return (
        f"{name}: AP50 {c.old:.3f} → {c.new:.3f} ({c.low:+.3f} to {c.high:+.3f}) on {nuclei} of {images}: "
        f"{outcome}"
    )
