"""TensorBoard's files, written without the thread that its own writer has: what cannot be written is said in time."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Any

from napari_nucseg.errors import OutputError, SettingsError
from napari_nucseg.files import in_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

EXTRA = "pip install 'napari-nucseg[tensorboard]'"


class Board:
    """Numbers and pictures of one process's steps, in a file in a folder, which is made with the first of them.

    Raises
    ------
    SettingsError
        If TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            # late: TensorBoard is an extra
            from tensorboard.compat.proto import event_pb2
            from tensorboard.summary.writer.record_writer import RecordWriter
            from torch.utils.tensorboard import summary
        except ImportError as error:
            raise SettingsError(
                f"TensorBoard is not installed. Run {EXTRA}, or set tensorboard: false."
            ) from error
        self._events, self._summary, self._writer = event_pb2, summary, RecordWriter
        # the name by which TensorBoard knows such files
        self.path = folder / f"events.out.tfevents.{time.time():010.0f}.{socket.gethostname()}.{os.getpid()}"

    def begin(self, step: int) -> None:
        """Let the steps of this process, from ``step`` on, replace those that an earlier process wrote."""
        start = self._events.SessionLog(status=self._events.SessionLog.START)
        self._write({"file_version": "brain.Event:2"}, {"step": step, "session_log": start})

    def add(self, step: int, numbers: Mapping[str, float]) -> None:
        """Add numbers of one step, by name."""
        each = (self._summary.scalar(name, value) for name, value in numbers.items())
        self._write(*({"step": step, "summary": summary} for summary in each))

    def add_picture(self, step: int, picture: NDArray[Any]) -> None:
        """Add a picture (Y, X, 3) of one step."""
        self._write({"step": step, "summary": self._summary.image("sample", picture, dataformats="HWC")})

    def _write(self, *events: Mapping[str, Any]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                for event in events:
                    record = self._events.Event(wall_time=time.time(), **event)
                    self._writer(file).write(record.SerializeToString())
        except OSError as error:
            raise OutputError(in_words(error, self.path)) from error
