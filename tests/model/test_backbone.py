"""Backbones: the weights are the ImageNet ones, preprocessing is right whichever way they were loaded."""

import pickle

import keras
import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_image

from lib.model import backbone, torch_file
from lib.study.names import UserError
from lib.study.pretrained import Weights, lite0_file


def photograph(name):
    if name == "grace_hopper.jpg":
        return np.asarray(Image.open(f"{matplotlib.get_data_path()}/sample_data/{name}").convert("RGB"))
    return load_sample_image(name)


@pytest.fixture(scope="module")
def lite0_classifier():
    return backbone.build_lite0(lite0_file(), include_top=True)


# Known answers of this network with its published weights: central square, resized to 224 pixels.
@pytest.mark.parametrize(
    ("name", "imagenet_class", "probability"),
    [("grace_hopper.jpg", 652, 0.40), ("china.jpg", 698, 0.30), ("flower.jpg", 985, 0.23)],
)
def test_lite0_names_the_photographs(lite0_classifier, name, imagenet_class, probability):
    image = ImageOps.fit(Image.fromarray(photograph(name)), (224, 224), Image.Resampling.BICUBIC)
    answer = lite0_classifier(np.asarray(image, "float32")[None], training=False).numpy()[0]
    assert answer.argmax() == imagenet_class
    assert answer.max() == pytest.approx(probability, abs=0.02)


def test_lite0_has_the_published_number_of_parameters(lite0_classifier):
    assert lite0_classifier.count_params() == 4_694_024


def test_backbone_gives_sixteen_depthwise_outputs_and_the_last_activation():
    model = backbone.build_backbone(Weights("efficientnet-lite0", lite0_file()))
    channels = [output.shape[-1] for output in model.outputs]
    assert len(channels) == 17
    assert channels[-1] == 1280
    assert 2 * sum(channels[:-1]) == 17_920


@pytest.fixture(scope="module")
def b0_file(tmp_path_factory):
    """A no-top file like Keras' own: the normalisation holds standard deviations where variances belong."""
    model = keras.applications.EfficientNetB0(include_top=False, weights=None)
    normalisation = next(layer for layer in model.layers if isinstance(layer, keras.layers.Normalization))
    normalisation.adapt_mean.assign(backbone.IMAGENET_MEAN)
    normalisation.adapt_variance.assign(backbone.IMAGENET_STD)
    path = tmp_path_factory.mktemp("weights") / "b0_notop.weights.h5"
    model.save_weights(path)
    return path


@pytest.mark.parametrize("way", ["imagenet", "path"])
def test_b0_stem_input_is_imagenets_whichever_way_weights_are_loaded(b0_file, way, monkeypatch):
    from keras.src.applications import efficientnet

    monkeypatch.setattr(efficientnet.file_utils, "get_file", lambda *args, **kwargs: str(b0_file))
    model = backbone.build_b0(Weights("efficientnet-b0", None if way == "imagenet" else b0_file, way == "imagenet"))
    images = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype("float32")
    expected = (images / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(backbone.stem_input(model, images), expected, atol=1e-4)
    # Both ways must end in a backbone with the same outputs as Lite0's.
    assert len([layer for layer in model.layers if layer.name.endswith("dwconv")]) == 16


def test_b0_without_the_correction_would_be_caught(b0_file, monkeypatch):
    monkeypatch.setattr("lib.model.backbone._square_variance", lambda model, path: None)
    with pytest.raises(RuntimeError, match="stem input differs"):
        backbone.build_b0(Weights("efficientnet-b0", b0_file, imagenet=False))


def test_b0_refuses_a_file_with_another_normalisation(tmp_path):
    model = keras.applications.EfficientNetB0(include_top=False, weights=None)
    model.save_weights(tmp_path / "plain.weights.h5")
    with pytest.raises(UserError, match="normalisation"):
        backbone.build_b0(Weights("efficientnet-b0", tmp_path / "plain.weights.h5", imagenet=False))


def test_state_dict_that_names_code_is_refused(tmp_path):
    class Malicious:
        def __reduce__(self):
            return (print, ("this must not run",))

    path = tmp_path / "bad.pth"
    path.write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(UserError, match="refused"):
        torch_file.read_torch_state_dict(path)


def test_state_dict_cut_short_is_refused(tmp_path):
    path = tmp_path / "short.pth"
    path.write_bytes(lite0_file().read_bytes()[:-1000])
    with pytest.raises(UserError):
        torch_file.read_torch_state_dict(path)
