"""Which of the installed models is the default: chosen by the user, and taken back step by step."""

from __future__ import annotations

from napari_nucseg.network.choices import AUTO, read_choices, write_choices
from napari_nucseg.network.installed import installed_model, left_out_models, list_models


def preferred_model() -> str | None:
    """Name of the model the user made the default; None where the program chooses. It may be gone meanwhile."""
    return read_choices().latest


def preference_problem() -> str | None:
    """Say why the preferred model is not used, where it is not."""
    name = preferred_model()
    if name is None or any(model.name == name for model in list_models()):
        return None
    return (
        f"your default model {name} is gone or damaged, so the program chooses. "
        "Install it again, or make another the default."
    )


def model_problems() -> tuple[str, ...]:
    """Say what is wrong among the user's own models: a default that is not used, files that are left out."""
    reasons = [each.reason for each in left_out_models()]
    return (*filter(None, [preference_problem()]), *reasons)


def prefer_model(name: str) -> None:
    """Make an installed model the default; ``auto`` lets the program choose again.

    Raises
    ------
    ModelFileError
        If there is no such model, or its file cannot be read.
    OutputError
        If the choice cannot be written.
    """
    if name != AUTO:
        installed_model(name)  # or says why there is none
    write_choices((*(read_choices().history or (AUTO,)), name))


def go_back() -> str | None:
    """Return to the default before the present one, and tell its name; None where the program chooses again.

    Models that are gone meanwhile are passed over.

    Raises
    ------
    OutputError
        If the choice cannot be written.
    """
    write_choices(_history_before())
    return preferred_model()


def can_go_back() -> bool:
    """Whether there was another default before the present one."""
    present, before = ((history or (AUTO,))[-1] for history in (read_choices().history, _history_before()))
    return present != before


def _history_before() -> tuple[str, ...]:
    """Choices up to the last that was another one than the present, of a model that is still there."""
    history = read_choices().history
    usable = {AUTO, *(model.name for model in list_models())} - {*history[-1:]}
    while history and history[-1] not in usable:
        history = history[:-1]
    return history
