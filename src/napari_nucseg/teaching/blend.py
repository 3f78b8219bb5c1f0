"""How far to go from the old weights to the new ones: the largest share of what is planned that is worse nowhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_nucseg.teaching.guard import judge
from napari_nucseg.teaching.progress import Comparison, Verdict
from napari_nucseg.teaching.scenes import look_at
from napari_nucseg.teaching.watching import with_network

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_nucseg.network.decoders import SegmentationNetwork
    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_file import Model
    from napari_nucseg.teaching.learner import Learner
    from napari_nucseg.teaching.material import Material

PARTS = (1.0, 0.75, 0.5, 0.25)
"""Of the planned share, one after the other."""


@dataclass(frozen=True, eq=False)
class Blend:
    """Weights between old and new, and the judgement on them."""

    share: float
    network: SegmentationNetwork
    comparisons: tuple[Comparison, ...]
    verdict: Verdict
    words: str

    @property
    def harms(self) -> bool:
        """Whether anything got worse beyond doubt."""
        return any(c.verdict is Verdict.WORSE for c in self.comparisons)

    @property
    def gain(self) -> float:
        """New - old on what was held out."""
        return sum(c.gain for c in self.comparisons if c.kind == "held-out")


def choose_blend(
    base: Model,
    learner: Learner,
    material: Material,
    device: Device,
    planned: float,
    *,
    odd: bool,
) -> Generator[Blend, None, Blend]:
    """Try shares from the planned one downwards while something gets worse; yields each, returns ``best_of`` them.

    ``odd`` : whether something is odd about the examples, see :func:`judge`.
    """
    tried: list[Blend] = []
    for part in PARTS:
        share = part * planned
        blend = _tried(base, learner.blended(share), share, material, device, odd=odd)
        yield blend
        tried.append(blend)
        if not blend.harms:
            break
    return best_of(tried)


def best_of(tried: Sequence[Blend]) -> Blend:
    """Choose among blends in the order in which they were tried.

    Of those that harm nothing a better one is preferred, then the one with the largest gain. Where all do harm, or the
    first gains something and the harmless ones nothing, the first is taken: its verdict says what it is worth.
    """
    first, harmless = tried[0], [blend for blend in tried if not blend.harms]
    best = max(harmless, key=lambda blend: (blend.verdict is Verdict.BETTER, blend.gain), default=first)
    return first if first.gain > 0 >= best.gain else best


def _tried(
    base: Model, network: SegmentationNetwork, share: float, material: Material, device: Device, *, odd: bool
) -> Blend:
    model = with_network(base, network)
    comparisons = tuple(
        tried.compared([look_at(model, scene, device).labels for scene in tried.scenes])
        for tried in (material.held_out, *material.references)
    )
    return Blend(share, network, comparisons, *judge(comparisons, odd=odd))
