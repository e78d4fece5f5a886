"""OmniGen's pipeline without its weights: the true pipeline class around a tiny random model.

It draws noise. It shows that everything around the model works, on any computer and without a download.
"""

from __future__ import annotations

from lib.data.omnigen.pipeline import Generator, drawer, quiet, versions

WORDS = "noise of a tiny random model, not OmniGen"


def load_generator() -> Generator:
    """A generator of noise whose pipeline is diffusers' OmniGenPipeline."""
    quiet()
    return Generator(drawer(tiny_pipeline()), "tiny random model", "", WORDS, versions())


def tiny_pipeline():
    """diffusers' OmniGenPipeline with random weights: one layer of width 16, a 4-channel VAE, a tokenizer of bytes.

    About 520,000 parameters, the same in every call.
    """
    import torch
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, OmniGenPipeline, OmniGenTransformer2DModel
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    # With so little work, threads only wait for each other. With one thread an image took 0.2 s instead of 3 on two
    # busy cores.
    torch.set_num_threads(1)
    special = ["<unk>", "<s>", "</s>"]
    letters = special + sorted(pre_tokenizers.ByteLevel.alphabet())
    bytewise = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, [], unk_token="<unk>"))
    bytewise.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    width, heads = 16, 4
    rope = [1.0] * (width // heads // 2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformer = OmniGenTransformer2DModel(
            hidden_size=width,
            num_attention_heads=heads,
            num_key_value_heads=heads,
            num_layers=1,
            intermediate_size=2 * width,
            time_step_dim=4,
            pos_embed_max_size=64,
            rope_scaling={"short_factor": rope, "long_factor": rope},
        )
        vae = AutoencoderKL(
            block_out_channels=(4, 4, 4, 4),
            latent_channels=4,
            norm_num_groups=1,
            sample_size=32,
            down_block_types=["DownEncoderBlock2D"] * 4,
            up_block_types=["UpDecoderBlock2D"] * 4,
        )
    return OmniGenPipeline(
        transformer=transformer.eval(),
        vae=vae.eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(invert_sigmas=True, num_train_timesteps=1),
        tokenizer=PreTrainedTokenizerFast(
            tokenizer_object=bytewise, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
        ),
    )
