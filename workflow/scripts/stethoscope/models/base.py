"""Base models: create, save and load one, and name its parts.

The demo's base model is a small Gemma 3 that the workflow trains itself; the paper's is
Gemma-3-4B-IT. Both are Hugging Face directories and go through `load_model`, so that later stages
treat them alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers import models as tokenizer_models
from tokenizers.trainers import BpeTrainer
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

# Gemma's first four token ids, in Gemma's order.
SPECIAL_TOKENS = ("<pad>", "<eos>", "<bos>", "<unk>")
PAD_ID, EOS_ID, BOS_ID, UNK_ID = range(4)

# Pieces that no token crosses. A digit stands alone, as in Gemma, so that arithmetic is done digit
# by digit. A word and a LaTeX command carry the space in front, and the one behind if a digit
# follows; a sign may carry both ("▁+▁"); a label such as "Problem:" its line breaks. Nothing that
# ends in a colon carries the space behind it: the prompt ends in "Solution:", and its tokens must
# be the same with and without a solution behind it.
_PIECES = (
    r"\n*[A-Za-z]+:\n*"
    r"|▁?\\?[A-Za-z]+(\{|▁(?=[0-9]))?"
    r"|[0-9]"
    r"|\n+"
    r"|▁?:"
    r"|▁?[^A-Za-z0-9▁\\\n:]▁?"
    r"|▁?\\"
    r"|▁"
)


@dataclass(frozen=True)
class ModelSettings:
    """Shape of a pretrained model, in Gemma 3's own terms.

    layers, hidden, intermediate, heads, kv_heads, head_dim: sizes of the decoder.
    sliding_window: tokens that a local layer sees; every sixth layer is global, as in Gemma 3.
    max_positions: longest sequence in tokens.
    """

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    sliding_window: int
    max_positions: int


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Learn a byte-pair tokenizer with Gemma's conventions from `texts`.

    A space is written "▁", each digit is one token, <bos> comes first when special tokens are
    requested, and padding is on the left (the side that batched generation needs). All printable
    ASCII is in the alphabet, so any ASCII text comes back unchanged; other characters that are not
    in `texts` become <unk>. The same texts give the same tokenizer, byte for byte.

    vocab_size: number of tokens in all, specials included; reached only if the texts hold enough
        different pieces.

    Raises ValueError if vocab_size cannot hold the alphabet.
    """
    alphabet = [chr(code) for code in range(33, 127)] + ["▁", "\n"]
    if vocab_size < len(SPECIAL_TOKENS) + len(alphabet):
        raise ValueError(
            f"vocab_size: {vocab_size} is too small, the special tokens and printable ASCII "
            f"already take {len(SPECIAL_TOKENS) + len(alphabet)}"
        )
    tokenizer = Tokenizer(tokenizer_models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_PIECES), "isolated")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()])
    tokenizer.train_from_iterator(
        texts,
        BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=list(SPECIAL_TOKENS),
            initial_alphabet=alphabet,
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A $B", special_tokens=[("<bos>", BOS_ID)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<eos>",
        bos_token="<bos>",
        unk_token="<unk>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def new_model(settings: ModelSettings, vocab_size: int, seed: int) -> Gemma3ForCausalLM:
    """An untrained text-only Gemma 3 in float32, the same for the same seed.

    vocab_size: number of rows of the (tied) embedding; the tokenizer's length.
    """
    config = Gemma3TextConfig(
        vocab_size=vocab_size,
        num_hidden_layers=settings.layers,
        hidden_size=settings.hidden,
        intermediate_size=settings.intermediate,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.kv_heads,
        head_dim=settings.head_dim,
        query_pre_attn_scalar=settings.head_dim,
        sliding_window=settings.sliding_window,
        max_position_embeddings=settings.max_positions,
        tie_word_embeddings=True,
        pad_token_id=PAD_ID,
        eos_token_id=EOS_ID,
        bos_token_id=BOS_ID,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Gemma3ForCausalLM(config)
    model.generation_config = GenerationConfig(
        pad_token_id=PAD_ID, eos_token_id=EOS_ID, bos_token_id=BOS_ID, do_sample=False
    )
    return model.eval()


def save_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write a Hugging Face directory: config, safetensors, tokenizer, generation config.

    Nothing in it depends on when or where it was written: the same weights give the same bytes.
    """
    # Loading leaves the folder and its options behind, batching the last padding and truncation.
    model.config._name_or_path = ""
    for key in ("name_or_path", "is_local", "local_files_only"):
        tokenizer.init_kwargs.pop(key, None)
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def load_model(folder: Path, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """Load a causal language model from a local directory, in `dtype`, ready for inference.

    Only local safetensors files are read, and no code from the directory is run.

    Raises ValueError, in one line, if a parameter is missing, unexpected or of another shape:
    transformers itself would fill a missing one with random numbers and only warn.
    """
    folder = _existing(folder)
    weights = _weights_file(folder)
    model, loading = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=dtype,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
    )
    mismatched = sorted(loading["mismatched_keys"])
    if mismatched:
        name, shape, expected = mismatched[0]
        raise ValueError(
            f"{weights}: {name} is {tuple(shape)}, config.json expects {tuple(expected)}"
            + _more(mismatched)
        )
    for kind in ("missing", "unexpected"):
        keys = sorted(loading[f"{kind}_keys"])
        if keys:
            raise ValueError(
                f"{weights}: {kind} parameter {keys[0]}{_more(keys)}: "
                f"not the weights of the {type(model).__name__} that config.json describes"
            )
    return model.eval()


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a local model directory; nothing is fetched, no code of it is run.

    One without a padding token, such as Llama's, pads with its end token: the attention mask and
    not the token says what is padding.

    Raises ValueError, in one line, if there is none.
    """
    folder = _existing(folder)
    if not (folder / "tokenizer.json").is_file():
        raise ValueError(f"{folder}: no tokenizer.json, a model directory needs its tokenizer")
    tokenizer = AutoTokenizer.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def decoder_layers(model: nn.Module) -> nn.ModuleList:
    """The decoder layers of the language model, first to last; never those of a vision tower.

    Works for text-only and multimodal models, and for either inside a PEFT model.

    Raises ValueError if the model has no such layers.
    """
    layers = getattr(model.get_decoder(), "layers", None)
    if layers is None:
        raise ValueError(f"{type(model).__name__}: its decoder has no list of layers")
    return layers


def _existing(folder: Path) -> Path:
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise ValueError(f"{folder}: no config.json, not a model directory")
    return folder


def _weights_file(folder: Path) -> Path:
    for name in ("model.safetensors", "model.safetensors.index.json"):
        if (folder / name).is_file():
            return folder / name
    raise ValueError(f"{folder}: no model.safetensors (other formats are not read)")


def _more(items: Sequence) -> str:
    return f" (and {len(items) - 1} more)" if len(items) > 1 else ""
