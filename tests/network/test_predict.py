import numpy as np
import pytest
import torch

from napari_nucseg.errors import InferenceError, SettingsError
from napari_nucseg.network.architectures import Architecture, activate, build_network
from napari_nucseg.network.device import Device, choose_device, list_devices
from napari_nucseg.network.model_card import ModelCard
from napari_nucseg.network.model_file import Model
from napari_nucseg.network.predict import TilePlan, predict_steps

CPU = Device("cpu", "float32", "CPU")
ARCHITECTURE = Architecture(encoder="tu-regnetx_002", encoder_depth=3, decoder_channels=(16, 8, 8))


class Hungry(torch.nn.Module):
    """A real network on a machine with little memory: batches beyond so many pixels do not fit."""

    def __init__(self, network, max_pixels):
        super().__init__()
        self.network = network
        self.max_pixels = max_pixels

    def forward(self, image):
        if image.shape[0] * image.shape[2] * image.shape[3] > self.max_pixels:
            raise torch.OutOfMemoryError("out of memory")
        return self.network(image)


def make_model(tmp_path, max_pixels=10**9):
    torch.manual_seed(0)
    network = Hungry(build_network(ARCHITECTURE).eval(), max_pixels)
    card = ModelCard(name="m", title="M", architecture=ARCHITECTURE, canonical_diameter_px=24, halo_px=16)
    return Model(card, network, tmp_path, "")


def drain(steps):
    messages = []
    while True:
        try:
            messages.append(next(steps).message)
        except StopIteration as end:
            return end.value, [m for m in messages if m]


IMAGE = np.random.default_rng(0).random((3, 200, 333)).astype(np.float32)


def test_maps_have_the_images_shape_and_lie_between_0_and_1(tmp_path):
    prediction, messages = drain(predict_steps(make_model(tmp_path), IMAGE, TilePlan(CPU, 512, 2)))
    assert prediction.maps.shape == IMAGE.shape
    assert prediction.maps.min() >= 0
    assert prediction.maps.max() <= 1
    assert not messages


def test_little_memory_means_smaller_batches_then_smaller_tiles_and_the_user_is_told(tmp_path):
    model = make_model(tmp_path, max_pixels=130 * 130)
    prediction, messages = drain(predict_steps(model, IMAGE, TilePlan(CPU, 256, 4)))
    assert prediction.plan == TilePlan(CPU, 128, 1)
    assert len(messages) == 3
    assert all("Out of memory" in m for m in messages)


@pytest.mark.parametrize(
    ("ground", "faintest", "is_glass"),
    [
        pytest.param(0.95, 0.0, True, id="glass"),
        pytest.param(0.95, -0.1, False, id="glass with a pale nucleus"),
        pytest.param(0.05, 0.02, False, id="faint light on a dark ground"),
        pytest.param(0.0, 0.0, False, id="nothing but black"),
    ],
)
def test_glass_alone_is_not_shown_to_the_network(tmp_path, ground, faintest, is_glass):
    model, shown = make_model(tmp_path), []
    model.network.register_forward_pre_hook(lambda _, tiles: shown.append(tiles[0].shape))
    image = np.random.default_rng(2).normal(ground, 0.005 * ground, (3, 128, 128)).astype(np.float32)
    image[:, 50:74, 60:84] += faintest
    maps = drain(predict_steps(model, image.clip(0, 1), TilePlan(CPU, 160, 1)))[0].maps
    assert len(shown) == (0 if is_glass else 1)
    assert (maps.max() == 0) == is_glass


def test_no_memory_at_all_is_an_error_in_words(tmp_path):
    with pytest.raises(InferenceError, match="Close other programs"):
        drain(predict_steps(make_model(tmp_path, max_pixels=10), IMAGE, TilePlan(CPU, 256, 2)))


def test_another_failure_is_no_runtime_error(tmp_path):
    model = make_model(tmp_path)
    with pytest.raises(InferenceError, match="failed on cpu"):
        drain(predict_steps(model, IMAGE[:2], TilePlan(CPU, 256, 2)))


def test_activation_gives_probabilities_and_a_clipped_distance():
    maps = activate(torch.tensor([[[-9.0]], [[1.7]], [[9.0]]]))
    assert maps.flatten().tolist() == pytest.approx([0, 1, 1], abs=1e-3)


def test_one_thread_is_no_threads(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert list_devices()[-1].description == "CPU, 1 thread"


def test_devices():
    assert list_devices()[-1].name == "cpu"
    assert choose_device("cpu", "float32").precision == "float32"
    with pytest.raises(SettingsError, match="torch can use here"):
        choose_device("cuda:77")
    with pytest.raises(SettingsError, match="allowed are"):
        choose_device("cpu", "int4")
