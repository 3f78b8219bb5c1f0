"""Every error a user may meet, so that callers can catch one base class.

A message says what was got, what is allowed and what to do next. ``InferenceError`` is on purpose no
``RuntimeError``: napari's generator workers swallow those.
"""

from __future__ import annotations


class NucSegError(Exception):
    """Base of all errors raised on purpose by napari-nucseg."""


class ImageError(NucSegError, ValueError):
    """An image or its description (axes, channel, size, file) cannot be used."""


class ChannelError(ImageError):
    """Of ``n_channels`` channels none is chosen, or one that is not there."""

    def __init__(self, message: str, n_channels: int) -> None:
        super().__init__(message)
        self.n_channels = n_channels


class SettingsError(NucSegError, ValueError):
    """A setting, recipe or command-line value is not allowed."""


class DatasetError(NucSegError):
    """A dataset, or one sample of it, cannot be read."""


class DownloadError(NucSegError):
    """A remote file could not be fetched whole and unharmed."""


class ModelFileError(NucSegError):
    """A model file is missing, damaged, newer than this version or not ours."""


class NameTakenError(ModelFileError):
    """The name wanted for a model is taken, by another model or by a file.

    ``what`` says by which one, and where it is; ``can_give_way`` whether it may be replaced once the user agrees.
    """

    def __init__(self, message: str, what: str, *, can_give_way: bool) -> None:
        super().__init__(message)
        self.what = what
        self.can_give_way = can_give_way


class InferenceError(NucSegError):
    """The network could not be run to its end."""


class TrainingError(NucSegError):
    """Training cannot start or go on."""


class EditError(NucSegError):
    """A correction cannot be made where or as it was asked for; the labels are unchanged."""


class JournalError(NucSegError):
    """A journal of corrections is missing, damaged from its start, or of another version."""


class CorrectionSetError(NucSegError):
    """A folder of corrections cannot be opened, or its parts do not belong together."""


class OutputError(NucSegError):
    """A result cannot be written: the disk is full, or the place does not allow it."""
