"""The true pipeline class of diffusers around a tiny random model: plan to images to study, the same bytes each time.

Needs requirements-generate.lock, which continuous integration does not install (gigabytes); skipped without it.
"""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from omnigen_support import job
from PIL import Image
from support import HOME, PROJECT, refused, run_study

from lib.data.omnigen import tiny as omnigen_tiny
from lib.data.omnigen.generate import carry_out, left
from lib.data.omnigen.job import open_job
from lib.data.omnigen.pipeline import MODEL, PACKAGES, REVISION, drawer, load_generator, obstacle
from lib.data.omnigen.plan import Row, tags
from lib.data.source import sources

WHY = "is not installed: pip install -r requirements-generate.lock"
PACKAGES = {name: pytest.importorskip(name, reason=f"{name} {WHY}") for name in PACKAGES}
torch, OmniGenPipeline = PACKAGES["torch"], PACKAGES["diffusers"].OmniGenPipeline

ROW = Row("anna", ("a.jpg",), "smile", "left", f"The person in {tags(1)} smiles.", 5, 64, 2, 2.5, 1.6)
LONG = dataclasses.replace(ROW, prompt=f"{ROW.prompt} {'A garden in the sun, seen from far away. ' * 4}", seed=6)


def references(row: Row) -> list[Image.Image]:
    rng = np.random.default_rng(len(row.references))
    return [Image.fromarray(rng.integers(0, 256, (64, 64, 3), "uint8")) for _ in row.references]


@pytest.fixture(scope="module")
def tiny():
    return omnigen_tiny.tiny_pipeline()


def drawn(pipeline, *rows: Row) -> list[np.ndarray]:
    return drawer(pipeline)(list(rows), [references(row) for row in rows])


def contents(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.jpg"))}


# -------------------------------------------------------------------------------------------------------------- drawing


def test_the_same_row_is_the_same_image_whatever_was_drawn_before(tiny):
    assert type(tiny) is OmniGenPipeline
    (first,) = drawn(tiny, ROW)
    torch.rand(17)
    (other,) = drawn(tiny, dataclasses.replace(ROW, seed=99))
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8 and first.std() > 10
    assert not np.array_equal(first, other)
    for pipeline in (tiny, omnigen_tiny.tiny_pipeline()):
        assert np.array_equal(drawn(pipeline, ROW)[0], first)


def test_the_number_of_references_and_the_prompt_change_the_image(tiny):
    three = dataclasses.replace(ROW, references=("a", "b", "c"), prompt=f"The person in {tags(3)} smiles.")
    images = [*drawn(tiny, ROW), *drawn(tiny, three), *drawn(tiny, dataclasses.replace(LONG, seed=ROW.seed))]
    assert not np.array_equal(images[0], images[1]) and not np.array_equal(images[0], images[2])


def test_a_batch_is_drawn_with_its_longest_prompt_first_whatever_the_order(tiny):
    short, long = drawn(tiny, ROW, LONG)
    again = drawn(tiny, LONG, ROW)
    assert np.array_equal(short, again[1]) and np.array_equal(long, again[0]) and not np.array_equal(short, long)


def test_a_batch_that_starts_with_its_longest_prompt_draws_that_one_as_if_alone(tiny, monkeypatch):
    def without_chance(pixels, device=None, dtype=None):
        factor = tiny.vae.config.scaling_factor
        return [tiny.vae.encode(each).latent_dist.mode() * factor for each in pixels]

    monkeypatch.setattr(tiny, "encode_input_images", without_chance)
    (alone,), together = drawn(tiny, LONG), drawn(tiny, ROW, LONG)[1]
    assert np.abs(alone.astype(int) - together).max() <= 1
    # What would happen otherwise, and why `draw` sorts.
    generators = [torch.Generator("cpu").manual_seed(row.seed) for row in (ROW, LONG)]
    pictures = tiny(
        [ROW.prompt, LONG.prompt],
        input_images=[references(ROW), references(LONG)],
        height=64,
        width=64,
        max_input_image_size=64,
        num_inference_steps=2,
        generator=generators,
    ).images
    assert np.abs(alone.astype(int) - np.asarray(pictures[1])).max() > 5


@pytest.mark.parametrize("count", [0, 4])
def test_wrong_numbers_of_references_are_one_line(tiny, count):
    images = [references(ROW)[0]] * count
    said = refused(lambda: drawer(tiny)([ROW], [images]))
    assert f"found {count} references, expected 1 to 3" in said


def test_a_missing_placeholder_is_one_line(tiny):
    said = refused(lambda: drawn(tiny, dataclasses.replace(ROW, prompt="Somebody famous smiles.")))
    assert "has not each placeholder once; expected <img><|image_1|></img>" in said


@pytest.mark.parametrize(
    ("batch", "offload", "advice"),
    [
        (4, "model", "give --batch 2 instead of 4"),
        (1, "none", "give --offload model instead of none"),
        (1, "model", "give --offload sequential"),
        (1, "sequential", "set a size below 64"),
    ],
)
def test_out_of_memory_says_which_option_to_change(tiny, batch, offload, advice):
    class Full:
        tokenizer = tiny.tokenizer

        def set_progress_bar_config(self, **_):
            pass

        def __call__(self, *_, **__):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate much")

    rows = [ROW] * batch
    assert advice in refused(lambda: drawer(Full(), offload)(rows, [references(row) for row in rows]))


# -------------------------------------------------------------------------------------------------------------- loading


def test_the_weights_are_loaded_at_the_pinned_revision(tiny, tmp_path, own_home, monkeypatch):
    tiny.save_pretrained(tmp_path / "weights")
    asked = {}
    true = OmniGenPipeline.from_pretrained

    def from_pretrained(model, **options):
        asked.update(options, model=model)
        return true(tmp_path / "weights", **options)

    monkeypatch.setattr(OmniGenPipeline, "from_pretrained", from_pretrained)
    monkeypatch.setattr("lib.data.omnigen.pipeline._accelerator", lambda: torch.device("cpu"))
    work = job(tmp_path, own_home, images=12, each=2)
    generator = load_generator(work, "none")
    assert asked["model"] == MODEL and asked["revision"] == REVISION and asked["local_files_only"]
    assert "OmniGen images" in generator.words and generator.versions["torch"] == torch.__version__
    row = dataclasses.replace(work.rows[0], size=64, steps=1)
    (image,) = generator.draw([row], [references(row)])
    assert image.shape == (64, 64, 3)
    torch.use_deterministic_algorithms(False)


def test_a_model_that_does_not_fit_says_which_option_to_change(tiny, tmp_path, own_home, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(OmniGenPipeline, "from_pretrained", lambda *_, **__: tiny)
    monkeypatch.setattr("lib.data.omnigen.pipeline._accelerator", lambda: torch.device("cpu"))
    monkeypatch.setattr("lib.data.omnigen.pipeline._place", full)
    work = job(tmp_path, own_home, images=12, each=2)
    assert "give --offload model instead of none" in refused(lambda: load_generator(work, "none"))
    torch.use_deterministic_algorithms(False)


def test_weights_that_are_not_there_are_one_line(tmp_path, own_home, monkeypatch):
    monkeypatch.setattr("lib.data.omnigen.pipeline._accelerator", lambda: torch.device("cpu"))
    monkeypatch.setattr("lib.data.omnigen.pipeline.MODEL", "nobody/no-such-model")
    work = job(tmp_path, own_home, images=12, each=2)
    assert "nobody/no-such-model at 016e2f61 could not be loaded" in refused(lambda: load_generator(work))
    torch.use_deterministic_algorithms(False)


@pytest.mark.skipif(torch.accelerator.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_real_model_is_not_tried(tmp_path, own_home):
    work = job(tmp_path, own_home, images=12, each=2)
    assert "needs a GPU" in obstacle(work) and "needs a GPU" in refused(lambda: carry_out(work))


# ------------------------------------------------------------------------------------------------------- the whole way


def test_a_killed_run_goes_on_to_the_same_bytes(own_home, monkeypatch):
    options = ["--generate", "--tiny", "--images", "12", "--yes", "--seed", "3"]
    command = [sys.executable, str(PROJECT / "run_all.py"), *options]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    sidecars = own_home / "datasets" / "generating" / "tiny" / "provenance"
    until = time.time() + 240
    while len(list(sidecars.glob("*.json"))) < 3 and running.poll() is None and time.time() < until:
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    work = open_job(dataset="", references="", images=12, seed=3, tiny=True)
    assert 0 < left(work) < 12
    carry_out(work)
    killed = contents(work.target)
    monkeypatch.setenv("STUDY_HOME", str(own_home / "other"))
    whole = open_job(dataset="", references="", images=12, seed=3, tiny=True)
    carry_out(whole)
    assert contents(whole.target) == killed and len(killed) == 12 + 12


def test_the_whole_way_from_plan_to_study():
    done = run_study("--generate", "--tiny", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    target = HOME / "datasets" / "tiny"
    assert {path.name for path in target.iterdir()} >= {"real", "synthetic", "people.csv", "plan.csv", "provenance.csv"}
    assert sources.find_source("", str(target)).words == omnigen_tiny.WORDS
    notebook = (HOME / "results" / "tiny" / "00_generate_omnigen.ipynb").read_text(encoding="utf-8")
    assert "AUC of the probe" in notebook and omnigen_tiny.WORDS in notebook and str(HOME) not in notebook
    outputs = [out for cell in json.loads(notebook)["cells"] for out in cell.get("outputs", [])]
    assert not [out for out in outputs if out.get("name") == "stderr"]
    done = run_study("--data", str(target), "--name", "tiny", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = HOME / "results" / "quick" / "tiny"
    images = pd.read_csv(folder / "images.csv", dtype=str)
    assert images.groupby("group")["split"].nunique().max() == 1 and len(images) == 48
    for path in (folder / "01_data_audit.ipynb", *sorted((folder / "tuned").glob("0?_*.ipynb"))):
        text = path.read_text(encoding="utf-8")
        assert omnigen_tiny.WORDS in text and "stand-in images" not in text, path.name
