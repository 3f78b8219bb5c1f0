"""Which processor: one of those there are, or the program's choice, which says what it stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox

from napari_nucseg._napari.rows import let_grow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_nucseg.network.device import Device

AUTO = "auto"


class DeviceChoice(QComboBox):
    """Combo box whose data are names of devices; the first entry is *Automatic*."""

    def __init__(self) -> None:
        super().__init__()
        let_grow(self)
        self.setToolTip("Processor or graphics card that does the work.")
        self.addItem("Automatic", AUTO)

    def show_devices(self, devices: Sequence[Device]) -> None:
        """Offer these, the one that *Automatic* stands for first; a choice that was made stays."""
        chosen = self.currentData()
        self.clear()
        self.addItem(f"Automatic ({devices[0].description})", AUTO)
        for device in devices:
            self.addItem(device.description, device.name)
        self.setCurrentIndex(max(0, self.findData(chosen)))
