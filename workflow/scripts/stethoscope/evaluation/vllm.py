"""Evaluation with vLLM: one resident base and an adapter for each edit, many prompts at a time.

vLLM is not among the workflow's own requirements; it is imported only for `evaluation.backend:
vllm`. Three things are known to go wrong silently, and are guarded against:
its prefix cache is keyed by an adapter's name, so that a name must never serve two edits; an
adapter whose keys it does not know leaves the base as it is; and base and edits answer alike only
through one engine with the same settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lm_eval.api.model import LM
from transformers import PreTrainedTokenizerBase

from stethoscope.evaluation.backend import AnswerLengths
from stethoscope.problems.records import prompt
from stethoscope.runtime.files import read_json, sha256_file
from stethoscope.task_vectors.task_vector import TaskVector

# Values that vLLM allows for max_lora_rank.
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
_WEIGHTS = "adapter_model.safetensors"
_PROMPT_TOKENS = 4096  # room for a prompt; four examples of minerva_math take some 700
_CANARY = ("What is $1 + 1$?", "What is the greatest common divisor of $12$ and $18$?")


def adapter_name(folder: Path) -> str:
    """A name that no two edits share: folder and digest of the adapter."""
    return f"{folder.parent.name}/{folder.name}-{sha256_file(folder / _WEIGHTS)[:16]}"


def largest_rank(folders: Sequence[Path]) -> int:
    """The smallest max_lora_rank that holds the adapters of these folders.

    Raises ValueError for an edit that is no adapter, and for a rank that vLLM does not take.
    """
    largest = 1
    for folder in folders:
        if not (folder / _WEIGHTS).exists():
            raise ValueError(
                f"{folder}: not a low-rank edit; vLLM takes adapters alone (evaluation.backend: hf)"
            )
        largest = max(largest, read_json(folder / "adapter_config.json")["r"])
    for rank in RANKS:
        if largest <= rank:
            return rank
    raise ValueError(f"an adapter of rank {largest}: vLLM takes {RANKS[-1]} at most")


class VllmLM(AnswerLengths, LM):
    """lm-eval's model on a vLLM engine."""

    def __init__(
        self, engine: Any, tokenizer: PreTrainedTokenizerBase, max_length: int, sampling: Any
    ) -> None:
        """engine: vllm.LLM. sampling: vllm.SamplingParams."""
        super().__init__()
        self.engine, self.tokenizer, self.max_length = engine, tokenizer, max_length
        self.adapter: Any = None
        self._sampling = sampling

    def tok_encode(self, text: str) -> list[int]:
        """Token ids of a prompt, with BOS in front unless the text begins with it."""
        written = text.startswith(self.tokenizer.bos_token)
        return self.tokenizer.encode(text, add_special_tokens=not written)

    def generate_until(self, requests: list, disable_tqdm: bool = True) -> list[str]:
        self.check(requests)
        prompts = [self.tok_encode(request.args[0]) for request in requests]
        outputs = self.engine.generate(
            [{"prompt_token_ids": ids} for ids in prompts],
            [self._parameters(request.args[1]) for request in requests],
            lora_request=self.adapter,
            use_tqdm=False,
        )
        answers = []
        for ids, output in zip(prompts, outputs, strict=True):
            answer = output.outputs[0]
            tokens = list(answer.token_ids)
            ended = bool(tokens) and tokens[-1] in self.tokenizer.all_special_ids
            self.keep_length(ids, len(tokens) - ended, answer.finish_reason == "length")
            answers.append(answer.text)
        return answers

    def first_tokens(self, prompts: Sequence[str]) -> list[dict[int, float]]:
        """Log-probabilities of the likeliest first tokens of each prompt's answer."""
        outputs = self.engine.generate(
            [{"prompt_token_ids": self.tok_encode(text)} for text in prompts],
            self._sampling(temperature=0.0, max_tokens=1, logprobs=5),
            lora_request=self.adapter,
            use_tqdm=False,
        )
        return [
            {token: entry.logprob for token, entry in output.outputs[0].logprobs[0].items()}
            for output in outputs
        ]

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        return self.tokenizer.apply_chat_template(
            chat_history,
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            continue_final_message=not add_generation_prompt,
        )

    @property
    def tokenizer_name(self) -> str:
        return "vllm"  # for lm-eval's request cache, which is off

    def loglikelihood(self, requests: list) -> list:
        raise NotImplementedError("this model generates")

    def loglikelihood_rolling(self, requests: list) -> list:
        raise NotImplementedError("this model generates")

    def _parameters(self, settings: dict) -> Any:
        return self._sampling(
            temperature=0.0, max_tokens=settings["max_gen_toks"], stop=settings["until"]
        )


class Vllm:
    """A vLLM engine that evaluates edits in turn; each is the adapter in its folder."""

    def __init__(
        self,
        model: Path,
        tokenizer: PreTrainedTokenizerBase,
        edits: Sequence[Path],
        batch_size: int,
        max_gen_toks: int,
        dtype: str,
    ) -> None:
        """edits: folders of all edits to be evaluated. batch_size: answers at a time, at most."""
        try:
            from vllm import LLM, SamplingParams
            from vllm.lora.request import LoRARequest
        except ImportError:
            raise ValueError(
                "evaluation.backend: vllm is not installed here; `pip install vllm`, or backend: hf"
            ) from None
        self._request, self._numbers = LoRARequest, {}
        max_length = _PROMPT_TOKENS + max_gen_toks
        # The empty edit is the base, and needs no adapter.
        adapters = [folder for folder in edits if read_json(folder / "edit.json")["layers"]]
        engine = LLM(
            model=str(model),
            dtype=dtype,
            max_model_len=max_length,
            max_num_seqs=batch_size,
            enable_lora=True,
            max_loras=1,
            max_lora_rank=largest_rank(adapters),
            seed=0,
        )
        self.lm = VllmLM(engine, tokenizer, max_length, SamplingParams)
        self.settings = {
            "backend": "vllm",
            "batch_size": batch_size,
            "model_dtype": f"torch.{dtype}",
            "device": "cuda",
            "torch_threads": None,
        }
        self._base = self.lm.first_tokens(list(map(prompt, _CANARY)))

    def request(self, folder: Path) -> tuple[str, int, str]:
        """Name, number and folder of an edit's adapter for vLLM; no two edits share any of them."""
        name = adapter_name(folder)
        return name, self._numbers.setdefault(name, len(self._numbers) + 1), str(folder)

    @contextmanager
    def edited(self, edit: TaskVector, folder: Path) -> Iterator[None]:
        """A context in which the model has an edit; the empty edit is the base.

        Raises ValueError when the model answers as the base does: the adapter is not active.
        """
        if edit.modules:
            self.lm.adapter = self._request(*self.request(folder))
        try:
            tokens = self.lm.first_tokens(list(map(prompt, _CANARY)))
            if edit.energy() > 0 and tokens == self._base:
                raise ValueError(f"{folder}: vLLM answers as without it: the adapter is not active")
            yield
        finally:
            self.lm.adapter = None
