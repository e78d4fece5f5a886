"""OmniGen through diffusers: loading it, and drawing images with it.

Only this module and `tiny` use torch and diffusers, which are imported when an image is drawn.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

import numpy as np
from PIL import Image

from lib.data.omnigen.job import Job
from lib.data.omnigen.plan import Row, wrong_references
from lib.study.names import UserError, reason_of

MODEL = "Shitao/OmniGen-v1-diffusers"

# Three public repositories record this revision independently (8,088,956,424 bytes in 11 files). It could not be
# checked at the hub itself when this was written. A missing revision fails at once and draws nothing.
REVISION = "016e2f61d12a98303f6bbdf122687694d7984268"

LICENCE = "MIT, by the model's card"

OFFLOADS = ("none", "model", "sequential")

PACKAGES = ("diffusers", "torch", "torchvision", "transformers", "accelerate", "tokenizers")

INSTALL = "pip install -r requirements-generate.lock && pip install --no-deps -e ."


@dataclass(frozen=True)
class Generator:
    """A generator of images.

    Attributes:
        draw: rows of the plan and their references (RGB, one list per row) to uint8 (size, size, 3) images.
        model, revision: of the weights.
        words: description of the images for figures and tables.
        versions: package to version.
    """

    draw: Callable[[list[Row], list[list[Image.Image]]], list[np.ndarray]]
    model: str
    revision: str
    words: str
    versions: dict[str, str]


def obstacle(job: Job) -> str:
    """Why this computer cannot generate the images of an unfinished job, in one line; "" if it can."""
    if job.is_finished:
        return ""
    absent = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if absent:
        return f"generating needs {', '.join(absent)}, which is not installed: {INSTALL}"
    if not job.tiny and _accelerator() is None:
        return (
            "generating needs a GPU and PyTorch finds none (on a processor one image takes many minutes); "
            "--tiny shows the way with a tiny random model"
        )
    return ""


def load_generator(job: Job, offload: str = "model") -> Generator:
    """OmniGen for a job, ready to draw, in bfloat16 on the GPU.

    Args:
        offload: `none` keeps all on the GPU, `model` keeps idle parts in main memory, `sequential` every layer (slow).

    Raises:
        UserError: the missing requirement, or why the model cannot be loaded.
    """
    if problem := obstacle(job):
        raise UserError(problem)
    # Read when CUDA starts: without it some matrix products differ from run to run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    quiet()
    import torch
    from diffusers import OmniGenPipeline

    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    offline = os.environ.get("STUDY_OFFLINE") == "1"
    try:
        pipeline = OmniGenPipeline.from_pretrained(
            MODEL, revision=REVISION, dtype=torch.bfloat16, local_files_only=offline
        )
    except Exception as error:  # network, access, disk, an incomplete download: the hub's client raises many kinds
        reason = reason_of(error)
        raise UserError(
            f"{MODEL} at {REVISION[:8]} could not be loaded ({type(error).__name__}: {reason}); it is downloaded once, "
            "8.1 GB, and the same command goes on with that"
        ) from None
    try:
        _place(pipeline, offload)
    except torch.OutOfMemoryError:
        raise UserError(_out_of_memory(1, offload, max(row.size for row in job.rows))) from None
    words = f"real photographs and OmniGen images ({MODEL}, revision {REVISION[:8]})"
    return Generator(drawer(pipeline, offload), MODEL, REVISION, words, versions())


def _place(pipeline, offload: str) -> None:
    device = _accelerator()
    if offload == "none":
        pipeline.to(device)
    elif offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.enable_sequential_cpu_offload(device=device)


def _accelerator():
    """The GPU as PyTorch calls it, or None."""
    import torch

    return torch.accelerator.current_accelerator(check_available=True)


def quiet() -> None:
    """Hide progress bars and remarks of the libraries in notebooks; errors are still shown."""
    warnings.filterwarnings("ignore", message="IProgress not found")
    import diffusers
    import transformers

    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()


def versions() -> dict[str, str]:
    """Versions of the packages that a generated image depends on."""
    return {name: metadata.version(name) for name in (*PACKAGES, "pillow", "numpy")}


def drawer(pipeline, offload: str = "none") -> Callable[[list[Row], list[list[Image.Image]]], list[np.ndarray]]:
    """`Generator.draw` of a diffusers OmniGenPipeline.

    The same rows in the same batch give the same images on the same machine and versions: every row has its own
    generator, and PyTorch's global one is seeded too, because the VAE samples the references from it.
    """
    import torch

    pipeline.set_progress_bar_config(disable=True)

    def draw(rows: list[Row], references: list[list[Image.Image]]) -> list[np.ndarray]:
        for row, images in zip(rows, references, strict=True):
            if problem := wrong_references(images, row.prompt):
                raise UserError(f"a row of {row.person}: {problem}")
        # diffusers uses the positions of the first row for the whole batch, so the first must be the longest.
        order = sorted(range(len(rows)), key=lambda row: -len(pipeline.tokenizer(rows[row].prompt).input_ids))
        ordered, first = [rows[row] for row in order], rows[0]
        torch.manual_seed(ordered[0].seed)
        try:
            drawn = pipeline(
                [row.prompt for row in ordered],
                input_images=[references[row] for row in order],
                height=first.size,
                width=first.size,
                max_input_image_size=first.size,
                num_inference_steps=first.steps,
                guidance_scale=first.guidance,
                img_guidance_scale=first.image_guidance,
                # On the CPU, so that the noise does not depend on the kind of GPU.
                generator=[torch.Generator("cpu").manual_seed(row.seed) for row in ordered],
            ).images
        except torch.OutOfMemoryError:
            raise UserError(_out_of_memory(len(rows), offload, first.size)) from None
        found = dict(zip(order, drawn))
        return [np.asarray(found[row].convert("RGB")) for row in range(len(rows))]

    return draw


def _out_of_memory(batch: int, offload: str, size: int) -> str:
    if batch > 1:
        change = f"give --batch {batch // 2} instead of {batch}"
    elif offload == "none":
        change = "give --offload model instead of none"
    elif offload == "model":
        change = "give --offload sequential instead of model (slow)"
    else:
        change = f"set a size below {size} under [model] in prompts.toml"
    return f"the GPU's memory is too small: {change}; what is drawn is kept"


def check_options(batch: int, offload: str) -> None:
    """Raise unless both can be used.

    Raises:
        UserError: names the option.
    """
    if batch < 1:
        raise UserError(f"--batch {batch}: expected 1 or more")
    if offload not in OFFLOADS:
        raise UserError(f"--offload {offload}: expected one of {', '.join(OFFLOADS)}")
