"""Run a network over an image in tiles, on less memory where there is not enough."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.ndimage import uniform_filter

from napari_nucseg.errors import InferenceError
from napari_nucseg.network.architectures import activate
from napari_nucseg.network.device import choose_device
from napari_nucseg.network.tiling import batches, pad_to_stride, padded_length, plan_axis, plan_tiles
from napari_nucseg.nuclei.targets import MAP_NAMES

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray
    from torch import nn

    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_file import Model

GLASS = 0.03
"""Contrast, as a share of the mean, below which a tile shows nothing: glass beside tissue. In synthetic tissue and
cells on a bright ground both models find nothing at .03, and at most a third of the nuclei at .05."""
GLASS_STEP_PX = 4
"""Network pixels from one to the next that is looked at for that; nuclei have 22 or more."""
SMALLEST_TILE_PX = 128
GPU_BATCH = 16
CPU_BATCH = 1


@dataclass(frozen=True)
class TileProgress:
    """Tiles done so far; ``message`` says what had to change on the way."""

    done: int
    total: int
    message: str = ""


@dataclass(frozen=True)
class TilePlan:
    """How an image is put through the network."""

    device: Device
    tile_px: int
    batch_size: int

    def smaller(self) -> TilePlan | None:
        """Return the next plan on less memory: smaller batch, smaller tile, then the CPU, then None."""
        if self.batch_size > 1:
            return replace(self, batch_size=self.batch_size // 2)
        if self.tile_px > SMALLEST_TILE_PX:
            return replace(self, tile_px=max(SMALLEST_TILE_PX, self.tile_px // 2))
        if self.device.kind != "cpu":
            return TilePlan(choose_device("cpu"), 512, CPU_BATCH)
        return None

    def __str__(self) -> str:
        return f"{self.batch_size} tiles of {self.tile_px} px on {self.device.name}"


@dataclass(frozen=True)
class Prediction:
    """Maps (3, Y, X) float32, 0…1, and the plan that worked in the end."""

    maps: NDArray[np.float32]
    plan: TilePlan


def is_glass(seen: NDArray[np.float32]) -> bool:
    """Whether an image is a bright ground and nothing else but grain; on a dark one networks see fainter things.

    Parameters
    ----------
    seen : (C, Y, X), 0…1, of which a pixel is seen every ``GLASS_STEP_PX`` network pixels.
    """
    smooth = [uniform_filter(plane, 3) for plane in seen]
    return all(float(np.ptp(plane)) < GLASS * float(plane.mean()) for plane in smooth)


def default_batch(device: Device) -> int:
    """Tiles at once: many keep a GPU busy, on a CPU they only cost memory."""
    return CPU_BATCH if device.kind == "cpu" else GPU_BATCH


def count_tiles(model: Model, shape: tuple[int, int], plan: TilePlan) -> int:
    """Count the tiles that an image of a (Y, X) shape at the network's scale takes."""
    stride, halo = model.card.architecture.stride_px, model.card.halo_px
    rows, columns = (len(plan_axis(padded_length(n, stride), plan.tile_px, halo, stride)) for n in shape)
    return rows * columns


def predict_steps(
    model: Model, image: NDArray[np.float32], plan: TilePlan
) -> Generator[TileProgress, None, Prediction]:
    """Predict the maps of an image that already is at the network's scale; yields after every batch of tiles.

    Parameters
    ----------
    model : loaded model.
    image : (3, Y, X) float32, 0…1.
    plan : device, tile and batch size to begin with; smaller ones are tried where memory runs out.

    Raises
    ------
    InferenceError
        If not even the smallest plan fits, or the device fails.
    """
    current: TilePlan | None = plan
    while current is not None:
        try:
            maps = yield from _predict(model, image, current)
            return Prediction(maps, current)
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise InferenceError(f"the network failed on {current.device.name}: {error}") from error
        previous, current = current, current.smaller()
        _release(previous.device)
        if current is not None:
            yield TileProgress(0, 1, f"Out of memory with {previous}; going on with {current}.")
    raise InferenceError(
        f"out of memory even with single tiles of {SMALLEST_TILE_PX} px on the CPU for an image of "
        f"{image.shape[2]} x {image.shape[1]} px at network scale. Close other programs or segment a region."
    )


def _predict(
    model: Model, image: NDArray[np.float32], plan: TilePlan
) -> Generator[TileProgress, None, NDArray[np.float32]]:
    stride = model.card.architecture.stride_px
    height, width = image.shape[1:]
    padded = pad_to_stride(image, stride)
    tiles = plan_tiles((padded.shape[1], padded.shape[2]), plan.tile_px, model.card.halo_px, stride)
    maps = np.zeros((len(MAP_NAMES), *padded.shape[1:]), np.float32)
    network = model.on(plan.device).network
    worth_a_look = [
        tile for tile in tiles if not is_glass(padded[:, *tile.box][:, ::GLASS_STEP_PX, ::GLASS_STEP_PX])
    ]
    done = len(tiles) - len(worth_a_look)
    for batch in batches(worth_a_look, plan.batch_size):
        answers = _run(network, np.stack([padded[:, *tile.box] for tile in batch]), plan.device)
        for tile, answer in zip(batch, answers, strict=True):
            maps[:, *tile.box] += tile.weight * answer
        done += len(batch)
        yield TileProgress(done, len(tiles))
    return maps[:, :height, :width]


def _run(network: nn.Module, tiles: NDArray[np.float32], device: Device) -> NDArray[np.float32]:
    """Predict a batch of tiles: (B, 3, Y, X) float32."""
    with torch.inference_mode():
        batch = torch.from_numpy(tiles).to(device.torch).contiguous(memory_format=torch.channels_last)
        with device.autocast():
            logits = network(batch)
        maps: NDArray[np.float32] = activate(logits.float()).cpu().numpy()
    return maps


def _is_out_of_memory(error: Exception) -> bool:
    told = ("out of memory", "can't allocate memory", "not enough memory")
    is_told = any(words in str(error).lower() for words in told)
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or is_told


def _release(device: Device) -> None:
    if device.kind == "cuda":
        torch.cuda.empty_cache()
    elif device.kind == "mps":
        torch.mps.empty_cache()
