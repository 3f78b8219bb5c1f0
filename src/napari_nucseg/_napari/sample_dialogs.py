"""Dialogs that stand before a sample: size and licence before a download, the official page before a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_nucseg._napari.workers import Runs
from napari_nucseg.data.sample_data import find_sample, remember_folder, sample_steps
from napari_nucseg.errors import NucSegError

if TYPE_CHECKING:
    from napari_nucseg.data.download import DownloadProgress
    from napari_nucseg.data.sample import Dataset
    from napari_nucseg.data.sample_data import SampleData
    from napari_nucseg.data.sources import Source

MB = 1_000_000


def ask_for_sample(name: str) -> Dataset | None:
    """Show the dialog a sample needs and wait for its end; None where it was cancelled."""
    sample = find_sample(name)
    kind = DownloadDialog if sample.image_ids else FolderDialog
    dialog = kind(sample, QApplication.activeWindow())
    dialog.exec()
    return dialog.dataset


class SourceDialog(QDialog):
    """What both dialogs share: the source in words, a line for problems, *Cancel*."""

    def __init__(self, sample: SampleData, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.sample = sample
        self.dataset: Dataset | None = None
        self.setWindowTitle(sample.title)
        self.setMinimumWidth(460)
        self.about = QLabel(self._words(), wordWrap=True, openExternalLinks=True)
        self.about.setTextFormat(Qt.TextFormat.RichText)
        self.problem = QLabel(wordWrap=True, visible=False)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.buttons.rejected.connect(self.reject)
        self.column = QVBoxLayout(self)
        self.column.setSpacing(12)
        self.column.addWidget(self.about)
        self.column.addWidget(self.problem)
        self.column.addWidget(self.buttons)

    def complain(self, message: str) -> None:
        """Show what went wrong, in words; the dialog stays for another try."""
        self.problem.setText(f"⚠ {message}")
        self.problem.setVisible(True)

    def finish(self, dataset: Dataset) -> None:
        """Close with what was asked for."""
        self.dataset = dataset
        self.accept()

    def _words(self) -> str:
        raise NotImplementedError


class DownloadDialog(SourceDialog):
    """Size, licence and *Download*; then a progress bar until all is there."""

    def __init__(self, sample: SampleData, parent: QWidget | None = None) -> None:
        super().__init__(sample, parent)
        self.progress = QProgressBar(visible=False)
        self.column.insertWidget(1, self.progress)
        self.download = QPushButton("Download")
        self.buttons.addButton(self.download, QDialogButtonBox.ButtonRole.ActionRole)
        self.download.setDefault(True)
        self.download.clicked.connect(self._start)
        self._runs = Runs(self)
        self._runs.progressed.connect(self._show_progress)
        self._runs.returned.connect(self.finish)
        self._runs.failed.connect(self.complain)
        self._runs.ended.connect(self._stopped)

    def reject(self) -> None:
        """Stop the download; what has come is kept for the next time."""
        self._runs.forget()
        super().reject()

    def _start(self) -> None:
        self.download.setEnabled(False)
        self.problem.setVisible(False)
        self.progress.setRange(0, 0)
        self.progress.setVisible(True)
        self._runs.start(lambda: sample_steps(self.sample.name))

    def _show_progress(self, progress: DownloadProgress) -> None:
        if progress.bytes_total:
            self.progress.setRange(0, progress.bytes_total)
            self.progress.setValue(min(progress.bytes_done, progress.bytes_total))
        self.progress.setFormat(f"{progress.bytes_done / MB:.1f} MB")

    def _stopped(self) -> None:
        self.download.setEnabled(True)
        self.download.setText("Try again")
        self.progress.setVisible(False)

    def _words(self) -> str:
        sample, source = self.sample, self.sample.source
        return (
            f"<p><b>{len(sample.image_ids)} images</b> of the {source.title} will be fetched into this program's "
            f"cache: about <b>{sample.download_mb:g} MB</b>, or the whole archive ({sample.archive_mb:g} MB) if the "
            f"server cannot send parts of it.</p>{_terms(source)}"
        )


class FolderDialog(SourceDialog):
    """Official page, licence and *Choose folder…* for what a person has to fetch."""

    def __init__(self, sample: SampleData, parent: QWidget | None = None) -> None:
        super().__init__(sample, parent)
        self.folder = QPushButton("Choose folder…")
        self.zip = QPushButton("Choose zip…")
        for button in (self.folder, self.zip):
            self.buttons.addButton(button, QDialogButtonBox.ButtonRole.ActionRole)
        self.folder.setDefault(True)
        self.folder.clicked.connect(self._choose_folder)
        self.zip.clicked.connect(self._choose_zip)

    def _choose_folder(self) -> None:
        self._try(QFileDialog.getExistingDirectory(self, f"Folder of {self.sample.title}"))

    def _choose_zip(self) -> None:
        self._try(QFileDialog.getOpenFileName(self, f"Zip of {self.sample.title}", filter="Zip (*.zip)")[0])

    def _try(self, path: str) -> None:
        if not path:
            return
        try:
            self.finish(remember_folder(self.sample.name, path))
        except NucSegError as error:
            self.complain(str(error))

    def _words(self) -> str:
        source = self.sample.source
        return (
            f"<p>This program does not fetch {source.title}. Get it from its official page, unpack it or not, "
            f"then choose the folder or zip it lies in. The place is remembered.</p>{_terms(source)}"
        )


def _terms(source: Source) -> str:
    return (
        f'<p>Page: <a href="{source.page}">{source.page}</a><br>Licence: {source.licence}<br>'
        f"Cite: {source.citation}</p>"
    )
