"""Going on from a model, and what cannot be started from."""

import logging
import re
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch

from napari_nucseg.errors import SettingsError, TrainingError
from napari_nucseg.learning.job import load_job
from napari_nucseg.learning.start import imagenet_weights, start_from
from napari_nucseg.learning.training import train_steps
from napari_nucseg.network.architectures import Architecture, build_network
from napari_nucseg.network.model_card import ModelCard, Thresholds
from napari_nucseg.network.model_file import load_model, save_model

UNET = Architecture(encoder="resnet18", encoder_depth=3, decoder_channels=(16, 8, 8))


@pytest.fixture
def parent(tmp_path):
    torch.manual_seed(7)
    path = tmp_path / "parent.safetensors"
    card = ModelCard(
        name="parent",
        title="Parent",
        architecture=UNET,
        canonical_diameter_px=31,
        clahe=True,
        thresholds=Thresholds(core_threshold=0.45),
        licence="research only",
        training_data=("TNBC",),
        intended_use="Research.",
        history=("trained",),
    )
    save_model(path, card, build_network(UNET))
    return path


def test_training_goes_on_from_a_model_with_its_network(write_job, train, parent, tmp_path):
    job = load_job(write_job(steps=1))
    content = {
        "start": str(parent),
        "steps": 1,
        "learning_rate": 1e-9,
        "weight_decay": 0,
        "validation_share": 0,
    }
    path = tmp_path / "own.yaml"
    path.write_text(
        "\n".join(f"{k}: {v}" for k, v in content.items())
        + f"\ndata: [{{path: {job.data[0].path}}}]\noutput: {tmp_path}\npatch_px: 96\naugment: {{crop_px: 64}}\n"
        "device: cpu\nprecision: float32\nbatch_size: 2\nsize: null\njudge: null\n"
    )
    made, _ = train(path)
    model = load_model(made)
    assert (model.card.architecture, model.card.canonical_diameter_px, model.card.clahe) == (UNET, 31, True)
    assert model.card.parent_sha256 == load_model(parent).sha256
    assert model.card.parent_name == "parent"
    assert model.card.thresholds.core_threshold == 0.45
    assert model.card.history[0] == "trained"
    assert "from parent" in model.card.history[1]
    assert (model.card.licence, model.card.intended_use) == ("research only", "Research.")
    assert model.card.training_data == ("TNBC", f"4 images of {job.data[0].path.name}")
    before = load_model(parent).network.state_dict()
    weight = "encoder.layer1.0.conv1.weight"
    torch.testing.assert_close(model.network.state_dict()[weight], before[weight], atol=1e-3, rtol=1e-3)


def test_what_a_job_does_not_name_of_its_network_is_as_in_the_model(write_job, train, tmp_path):
    shape = {
        "encoder": "resnet18",
        "encoder_depth": 3,
        "decoder_channels": (16, 12, 8),
        "full_size_channels": 4,
    }
    path = tmp_path / "unet.safetensors"
    card = ModelCard(name="unet", title="U-Net", architecture=Architecture(**shape), canonical_diameter_px=24)
    save_model(path, card, build_network(card.architecture))
    job = write_job(start=str(path), architecture={"kind": "unetplusplus"}, steps=1)
    assert load_job(job).architecture == Architecture(kind="unetplusplus", **shape)
    _, seen = train(job)
    [told] = [progress.message for progress in seen if "taken from" in progress.message]
    n, of = re.fullmatch(r"(\d+) of (\d+) tensors taken from unet\.", told).groups()
    assert n == of


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"only_heads": None}, {"only_heads": None}, id="all heads, though the model has two"),
        pytest.param({"kind": "unet"}, {"kind": "unet", "only_heads": None}, id="no head of another kind"),
        pytest.param({"full_size_channels": 0}, {"full_size_channels": 0}, id="a default that was named"),
        pytest.param(
            {"encoder_depth": 3, "decoder_channels": [8, 8, 8]},
            {"encoder_depth": 3, "decoder_channels": (8, 8, 8), "only_heads": None},
            id="no head of another depth",
        ),
    ],
)
def test_what_a_job_names_of_its_network_stays(named, expected):
    model = Architecture(kind="unetplusplus", encoder="resnet18", full_size_channels=8, only_heads=(2, 3))
    whole = Architecture(**named).completed_from(model)
    assert whole.model_dump() == {**model.model_dump(), **expected}


def test_nothing_is_taken_over_from_a_network_with_another_encoder():
    named = Architecture(encoder="plain")
    assert named.completed_from(Architecture(encoder="resnet18", full_size_channels=8)) == named


def test_widths_for_another_depth_than_the_models_are_refused(write_job, parent):
    with pytest.raises(SettingsError, match=r"4 decoder widths for depth 3"):
        load_job(write_job(start=str(parent), architecture={"decoder_channels": [64, 32, 16, 8]}))


def test_the_documented_job_grows_out_of_the_model_it_starts_from(tmp_path):
    page = Path(__file__).parents[2] / "docs" / "training.md"
    if not page.is_file():
        pytest.skip("no repository around these tests")
    [example] = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf8"), re.DOTALL)
    (tmp_path / "job.yaml").write_text(example, encoding="utf8")
    job = load_job(tmp_path / "job.yaml")
    network = build_network(job.architecture)
    origin = start_from(job, network)
    n = len(network.state_dict())
    assert origin.told == f"{n} of {n} tensors taken from nuclei-unet."
    assert job.canonical_diameter_px == load_model("nuclei-unet").card.canonical_diameter_px


def test_a_nested_network_may_start_from_a_plain_ones_encoder(write_job, parent):
    nested = {
        "kind": "unetplusplus",
        "encoder": "resnet18",
        "encoder_depth": 3,
        "decoder_channels": [8, 8, 8],
    }
    job = load_job(write_job(start=str(parent), architecture=nested))
    network = build_network(job.architecture)
    origin = start_from(job, network)
    for name, value in load_model(parent).network.encoder.state_dict().items():
        torch.testing.assert_close(network.encoder.state_dict()[name], value)
    encoder = len(network.encoder.state_dict())
    tensors = len(network.state_dict())
    assert f"parent ({encoder} of {tensors} tensors)" in origin.words
    assert f"{encoder} of {tensors} tensors taken from parent. The others begin at random" in origin.told


@pytest.mark.parametrize(
    ("depth", "view", "heads"), [(2, 0, None), (3, 0, None), (4, 4, None), (4, 4, (2, 3))]
)
def test_a_nested_network_grows_out_of_a_unet_of_its_widths(write_job, tmp_path, depth, view, heads):
    shape = {
        "encoder": "resnet18",
        "encoder_depth": depth,
        "decoder_channels": [64, 16, 12, 8][-depth:],
        "full_size_channels": view,
    }
    torch.manual_seed(7)
    unet = build_network(Architecture(**shape)).train()
    unet(torch.rand(2, 3, 64, 64))  # normalisation statistics of its own
    path = tmp_path / "unet.safetensors"
    card = ModelCard(name="unet", title="U-Net", architecture=Architecture(**shape), canonical_diameter_px=24)
    save_model(path, card, unet)
    nested = {**shape, "kind": "unetplusplus", "only_heads": heads}
    job = load_job(write_job(start=str(path), architecture=nested))
    grown = build_network(job.architecture)
    origin = start_from(job, grown)
    image = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        heads = grown.eval().heads(image)
        torch.testing.assert_close(heads[-1], load_model(path).network(image))
    tensors = len(grown.state_dict())
    assert f"unet ({tensors} of {tensors} tensors)" in origin.words
    assert all((head != heads[-1]).any() for head in heads[:-1])


def test_another_encoder_is_refused(write_job, parent):
    job = load_job(write_job(start=str(parent)))
    with pytest.raises(TrainingError, match=r"\d+ of \d+ tensors fit.*resnet18.*plain"):
        start_from(job, build_network(job.architecture))


@pytest.mark.parametrize("encoder", ["resnet18", "tu-regnetx_002"])
def test_imagenet_weights_need_a_network(write_job, monkeypatch, encoder):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    small = {"encoder": encoder, "encoder_depth": 3, "decoder_channels": [16, 8, 8]}
    job = load_job(write_job(start="imagenet", architecture=small))
    steps = train_steps(job)
    assert next(steps).message.startswith(f"Downloading ImageNet weights of {encoder}")
    with pytest.raises(TrainingError, match=f"ImageNet weights of encoder {encoder}") as refused:
        next(steps)  # before the images are read
    assert ".." not in str(refused.value)


def test_the_hubs_many_tries_are_not_told(monkeypatch, caplog):
    def tried_in_vain(*_, **__):
        logging.getLogger("huggingface_hub.utils").warning("Retrying.")
        raise OSError("no network.")

    monkeypatch.setattr("segmentation_models_pytorch.encoders.get_encoder", tried_in_vain)
    with pytest.raises(TrainingError, match=r"OSError: no network\. They are"):
        imagenet_weights(Architecture())
    assert not caplog.records
