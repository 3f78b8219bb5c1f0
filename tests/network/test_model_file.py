import json
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from napari_nucseg.errors import ModelFileError, SettingsError
from napari_nucseg.network.architectures import Architecture, build_encoder, build_network
from napari_nucseg.network.installed import ModelInfo, automatic_model, automatic_models, list_models
from napari_nucseg.network.model_card import HEADER_KEY, ModelCard, read_card
from napari_nucseg.network.model_file import load_model, save_model
from napari_nucseg.network.size_head import SizeHead, n_summaries

SMALL = Architecture(encoder="tu-regnetx_002", encoder_depth=3, decoder_channels=(16, 8, 8))


@pytest.fixture
def card():
    return ModelCard(name="small", title="Small", architecture=SMALL, canonical_diameter_px=20)


@pytest.fixture
def model_path(tmp_path, card):
    path = tmp_path / "small.safetensors"
    save_model(path, card, build_network(SMALL))
    return path


def test_a_model_comes_back_as_it_was_saved(tmp_path, card):
    torch.manual_seed(0)
    network = build_network(SMALL).eval()
    save_model(tmp_path / "m.safetensors", card, network)
    model = load_model(tmp_path / "m.safetensors")
    assert model.card == card
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(model.network(image), network(image), atol=2e-2, rtol=2e-2)


def test_models_are_shown_in_one_line(model_path):
    model = load_model(model_path)
    told = f"{model.card.name}: {model.card.architecture.kind} in {model.path}>"
    assert repr(model) == f"<Model {told}"
    assert repr(model.info) == f"<ModelInfo {told}"


def test_running_variances_beyond_half_precision_come_back(tmp_path, card):
    network = build_network(SMALL)
    norm = next(m for m in network.decoder.modules() if isinstance(m, torch.nn.BatchNorm2d))
    norm.running_var.fill_(1e5)
    save_model(tmp_path / "m.safetensors", card, network)
    loaded = load_model(tmp_path / "m.safetensors").network.state_dict()
    assert [k for k, v in loaded.items() if "running_var" in k and (v == 1e5).all()]


@pytest.mark.parametrize("layer", [{}, {"judge.0.weight": torch.ones(1, 3), "judge.0.bias": torch.ones(1)}])
def test_a_judge_of_other_features_is_refused(model_path, layer):
    _add_tensors(model_path, {"judge.centre": torch.zeros(3), "judge.spread": torch.ones(3), **layer})
    with pytest.raises(ModelFileError, match="judge of nuclei"):
        load_model(model_path)


@pytest.fixture
def defaults_of_torch():
    """Put back what a test sets."""
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)


@pytest.mark.parametrize(
    "set_default",
    [
        pytest.param(lambda: torch.set_default_dtype(torch.float64), id="dtype"),
        pytest.param(lambda: torch.set_default_device("meta"), id="device"),
    ],
)
def test_a_model_is_in_float32_on_the_cpu_whatever_torch_makes_by_default(
    model_path, card, set_default, defaults_of_torch
):
    head = SizeHead(n_summaries(build_network(SMALL).feature_channels), build_encoder(SMALL))
    save_model(model_path, card, build_network(SMALL), head)
    set_default()
    model = load_model(model_path)
    parts = (model.network, model.size_head, build_network(SMALL))
    tensors = [tensor for part in parts for tensor in (*part.parameters(), *part.buffers())]
    assert {t.dtype for t in tensors if t.is_floating_point()} == {torch.float32}
    assert {t.device.type for t in tensors} == {"cpu"}


def test_weights_are_half_precision_and_nothing_else_is_left_behind(model_path):
    assert model_path.stat().st_size < 3 * sum(p.numel() for p in build_network(SMALL).parameters())
    assert os.listdir(model_path.parent) == [model_path.name]


def test_users_models_are_listed_by_name_and_damaged_files_left_out(model_path, monkeypatch):
    monkeypatch.setenv("NUCSEG_MODELS", str(model_path.parent))
    (model_path.parent / "broken.safetensors").write_bytes(b"not a model")
    assert "small" in [m.name for m in list_models()]
    assert load_model("small").card.title == "Small"


def test_the_same_file_is_loaded_once_and_again_when_it_changed(model_path, card):
    first = load_model(model_path)
    assert load_model(model_path) is first
    save_model(model_path, card.model_copy(update={"title": "Other"}), build_network(SMALL))
    os.utime(model_path, (1, 1))
    assert load_model(model_path).card.title == "Other"


def test_a_path_may_begin_at_home_and_what_is_no_name_is_refused_in_words(model_path, monkeypatch):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(model_path.parent))
    assert load_model(f"~/{model_path.name}").card.name == "small"
    with pytest.raises(ModelFileError, match="got model 'None'; installed are: "):
        load_model(None)


def test_unknown_name_says_what_there_is(monkeypatch, model_path):
    monkeypatch.setenv("NUCSEG_MODELS", str(model_path.parent))
    with pytest.raises(ModelFileError, match=r"installed are:.*small"):
        load_model("nonsense")


@pytest.mark.parametrize(
    ("installed", "chosen", "for_fluorescence"),
    [
        pytest.param(["aaa", "nuclei-unet", "nuclei-unetpp"], "nuclei-unet", "nuclei-unetpp", id="bundled"),
        pytest.param(["aaa", "nuclei-unet"], "nuclei-unet", "nuclei-unet", id="the U-Net alone"),
        pytest.param(["aaa", "bbb"], "aaa", "aaa", id="own models alone"),
        pytest.param([], None, None, id="none"),
    ],
)
def test_auto_is_the_model_that_is_good_there(tmp_path, card, installed, chosen, for_fluorescence):
    models = [ModelInfo(name, tmp_path, card.model_copy(update={"name": name})) for name in installed]
    found = automatic_model(models), automatic_model(models, fluorescence=True)
    assert tuple(model and model.name for model in found) == (chosen, for_fluorescence)
    names = [model.name for model in automatic_models(models)]
    assert names == [name for name in dict.fromkeys((chosen, for_fluorescence)) if name]


def _truncated(path):
    path.write_bytes(path.read_bytes()[:-1000])


def _empty(path):
    path.write_bytes(b"")


def _pickled(path):
    path.write_bytes(pickle.dumps({"weights": np.zeros(3)}))


def _torch_saved(path):
    torch.save({"weights": torch.zeros(3)}, path)


def _foreign(path):
    save_file({"a": torch.zeros(3)}, path, {"format": "pt"})


def _card(path, **changes):
    content = json.loads(read_card(path).model_dump_json()) | changes
    save_file({"network.a": torch.zeros(3)}, path, {HEADER_KEY: json.dumps(content)})


def _nested(path):
    save_file({"network.a": torch.zeros(3)}, path, {HEADER_KEY: "[" * 100_000})


def _add_tensors(path, tensors):
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
    save_file(load_file(path) | tensors, path, header)


def _not_finite(path):
    card = read_card(path)
    network = build_network(SMALL)
    next(network.parameters()).data.fill_(float("nan"))
    save_model(path, card, network)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(lambda p: p.unlink(), "no model file", id="missing"),
        pytest.param(_truncated, "no readable safetensors", id="truncated"),
        pytest.param(_empty, "no readable safetensors", id="empty"),
        pytest.param(_pickled, "model of another program", id="pickle"),
        pytest.param(_torch_saved, "model of another program", id="torch.save"),
        pytest.param(_foreign, "without a napari-nucseg card", id="foreign"),
        pytest.param(lambda p: _card(p, format=99), "Update napari-nucseg", id="newer"),
        pytest.param(lambda p: _card(p, format="x"), "names no format", id="no format"),
        pytest.param(lambda p: _card(p, surprise=1), "is damaged", id="unknown field"),
        pytest.param(lambda p: _card(p, name=""), "name", id="no name"),
        pytest.param(_nested, "is damaged", id="nested without end"),
        pytest.param(_card, "do not fit its card", id="other weights"),
        pytest.param(lambda p: _card(p, fast_head=2), "the network has heads 1", id="no such head"),
        pytest.param(
            lambda p: _add_tensors(p, {"colour.a": torch.zeros(3)}),
            "tensors of colour besides",
            id="unknown group",
        ),
        pytest.param(_not_finite, "NaN or infinity", id="NaN weights"),
    ],
)
def test_bad_files_are_told_apart(model_path, spoil, words):
    spoil(model_path)
    with pytest.raises(ModelFileError, match=words) as refused:
        load_model(model_path)
    assert len(str(refused.value)) < len(str(model_path)) + 300


def test_weights_that_do_not_fit_are_told_with_what_to_do(model_path):
    _card(model_path)
    with pytest.raises(ModelFileError, match=r"than those of the network\. Get the file again"):
        load_model(model_path)


def test_a_damaged_model_is_not_taken_for_a_pickle_whatever_the_length_of_its_header(model_path):
    content = model_path.read_bytes()
    model_path.write_bytes(b"\x80\x02\0\0\0\0\0\0" + content[8:-1000])
    with pytest.raises(ModelFileError, match="no readable safetensors"):
        load_model(model_path)


def test_a_file_damaged_as_a_zip_stops_no_list_of_models(model_path):
    with zipfile.ZipFile(model_path, "w") as archive:
        archive.writestr("ä/data.pkl", b"")
    model_path.write_bytes(model_path.read_bytes().replace("ä".encode(), b"\xff\xfe"))
    with pytest.raises(ModelFileError, match="no readable safetensors"):
        read_card(model_path)


def test_a_pickle_in_disguise_is_never_executed(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    (tmp_path / "bomb.safetensors").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ModelFileError):
        load_model(tmp_path / "bomb.safetensors")
    assert not (tmp_path / "exploded").exists()


def test_architectures_build_and_refuse_what_they_do_not_know():
    for kind in ("unet", "unetplusplus"):
        network = build_network(Architecture(kind=kind, encoder="resnet18", encoder_depth=4)).eval()
        with torch.inference_mode():
            assert network(torch.zeros(1, 3, 64, 32)).shape == (1, 3, 64, 32)
    with pytest.raises(
        SettingsError, match=r"cannot build .*no such encoder\. Close to it: resnet18, "
    ) as refused:
        build_network(Architecture(encoder="resnet-18"))
    assert len(str(refused.value)) < 300
    with pytest.raises(ValueError, match="one a level"):
        Architecture(encoder_depth=5)
