"""Which processor runs the network, and in which number format."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import torch

from napari_nucseg.counted import count_words
from napari_nucseg.errors import SettingsError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

PrecisionName = Literal["bfloat16", "float16", "float32"]


@dataclass(frozen=True)
class Device:
    """A processor, the precision to use there, and a name people recognise."""

    name: str
    precision: PrecisionName
    description: str

    @property
    def torch(self) -> torch.device:
        """Handle that torch understands."""
        return torch.device(self.name)

    @property
    def kind(self) -> str:
        """One of cpu, cuda, mps."""
        return self.torch.type

    def autocast(self) -> AbstractContextManager[object]:
        """Context in which the network computes in this device's precision."""
        if self.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.kind, dtype=getattr(torch, self.precision))


def choose_device(device: str = "auto", precision: str = "auto") -> Device:
    """Pick cuda, mps or cpu (in this order for ``auto``) and the fastest safe precision on it.

    Raises
    ------
    SettingsError
        If the device is not usable here, or the name is unknown.
    """
    available = list_devices()
    if device == "auto":
        chosen = available[0]
    else:
        wanted = "cuda:0" if device == "cuda" else device
        matches = [d for d in available if d.name == wanted]
        if not matches:
            usable = ", ".join(["auto", *(d.name for d in available)])
            raise SettingsError(f"got device {device!r}, but torch can use here: {usable}.")
        chosen = matches[0]
    if precision == "auto":
        return chosen
    if precision not in ("bfloat16", "float16", "float32"):
        raise SettingsError(f"got precision {precision!r}; allowed are auto, bfloat16, float16, float32.")
    return Device(chosen.name, cast("PrecisionName", precision), chosen.description)


def list_devices() -> tuple[Device, ...]:
    """Return all processors torch can use here, the fastest first; the CPU is always last."""
    devices = []
    if torch.cuda.is_available():
        devices += [
            Device(f"cuda:{i}", "float16", torch.cuda.get_device_name(i))
            for i in range(torch.cuda.device_count())
        ]
    if torch.backends.mps.is_available():
        devices.append(Device("mps", "float32", "Apple GPU"))
    threads = count_words(torch.get_num_threads(), "thread")
    return (*devices, Device("cpu", _cpu_precision(), f"CPU, {threads}"))


def _cpu_precision() -> PrecisionName:
    """bfloat16 only where the CPU has instructions for it: elsewhere torch emulates it, slower than float32."""
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    amx = getattr(torch.cpu, "_is_amx_tile_supported", None)
    fast = any(p is not None and p() for p in (probe, amx))
    return "bfloat16" if fast and torch.backends.mkldnn.is_available() else "float32"
