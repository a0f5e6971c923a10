"""Requests to vLLM: each edit under a name and number of its own, prompts as tokens, greedy.

vLLM itself is not installed here; a stand-in for its engine answers, so that what is asked of it
can be looked at. What vLLM makes of it is not tested.
"""

from types import SimpleNamespace

import pytest

from stethoscope.edits.files import save_edit
from stethoscope.evaluation.vllm import Vllm, VllmLM, adapter_name, largest_rank
from stethoscope.runtime.files import write_json
from stethoscope.task_vectors.task_vector import TaskVector, scaled


@pytest.fixture
def edits(tmp_path, vector):
    """Folders of three edits: two alphas of one, and one of another that equals the first."""
    folders = []
    for place, alpha in (("sp/alpha-0.5", 0.5), ("sp/alpha-1.0", 1.0), ("full/alpha-0.5", 0.5)):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        save_edit(folder, scaled(vector, alpha), "base")
        write_json(folder / "edit.json", {"layers": [0]})
        folders.append(folder)
    return folders


class Engine:
    """Answers every prompt alike; remembers what it was asked. An adapter shifts its logits."""

    def __init__(self, hears=True):
        self.calls, self.hears = [], hears

    def generate(self, prompts, params, lora_request=None, use_tqdm=True):
        self.calls.append((prompts, params, lora_request))
        shift = lora_request[1] if lora_request and self.hears else 0
        logprobs = [{5: SimpleNamespace(logprob=-0.1 - shift)}]
        answer = SimpleNamespace(
            text=" 12", token_ids=[7, 8, 1], finish_reason="stop", logprobs=logprobs
        )
        return [SimpleNamespace(outputs=[answer]) for _ in prompts]


@pytest.fixture
def served(tiny):
    """A backend around a stand-in engine."""

    def serve(engine):
        backend = object.__new__(Vllm)
        backend.lm = VllmLM(engine, tiny.tokenizer, 128, lambda **settings: settings)
        backend._request, backend._numbers = (lambda *parts: parts), {}
        backend._base = backend.lm.first_tokens(["x"] * 2)
        return backend

    return serve


def test_no_two_edits_share_a_name_or_a_number(edits, served):
    backend = served(Engine())
    requests = [backend.request(folder) for folder in edits]
    assert len({name for name, _, _ in requests}) == 3
    assert [number for _, number, _ in requests] == [1, 2, 3]
    assert [path for _, _, path in requests] == list(map(str, edits))
    assert backend.request(edits[1]) == requests[1]


def test_another_content_under_the_same_path_is_another_name(edits, vector):
    before = adapter_name(edits[0])
    save_edit(edits[0], scaled(vector, 0.75), "base")
    assert adapter_name(edits[0]) != before and before.startswith("sp/alpha-0.5-")


def test_the_engine_has_room_for_the_largest_adapter_in_vllms_steps(edits):
    assert largest_rank(edits) == 8  # of rank 4
    write_json(edits[1] / "adapter_config.json", {"r": 48})
    assert largest_rank(edits) == 64
    write_json(edits[1] / "adapter_config.json", {"r": 600})
    with pytest.raises(ValueError, match="an adapter of rank 600: vLLM takes 512 at most"):
        largest_rank(edits)


def test_an_edit_that_is_no_adapter_is_refused(edits):
    (edits[0] / "adapter_model.safetensors").unlink()
    with pytest.raises(ValueError, match="alpha-0.5: not a low-rank edit; vLLM takes adapters"):
        largest_rank(edits)


def test_prompts_go_as_tokens_with_one_bos_and_are_answered_greedily(tiny, served):
    engine = Engine()
    lm = served(engine).lm
    settings = {"until": ["Problem:"], "do_sample": False, "temperature": 0, "max_gen_toks": 9}
    texts = ["Problem:\nWhat is 1 + 1?\n\nSolution:", "<bos>user: 1 + 1\nmodel:"]
    requests = [SimpleNamespace(args=(text, settings)) for text in texts]
    assert lm.generate_until(requests) == [" 12", " 12"]
    prompts, params, _ = engine.calls[-1]
    for prompt, text in zip(prompts, texts, strict=True):
        assert prompt["prompt_token_ids"].count(tiny.tokenizer.bos_token_id) == 1
        assert tiny.tokenizer.decode(prompt["prompt_token_ids"]).endswith(text[5:])
    assert params == [{"temperature": 0.0, "max_tokens": 9, "stop": ["Problem:"]}] * 2
    assert lm.length(texts[0]) == (2, False)  # the end token is not counted


def test_an_adapter_is_on_for_its_edit_alone(edits, vector, served):
    engine = Engine()
    backend = served(engine)
    for folder in edits[:2]:
        with backend.edited(vector, folder):
            assert engine.calls[-1][2] == backend.request(folder)
        backend.lm.first_tokens(["x"])
        assert engine.calls[-1][2] is None


def test_an_adapter_that_changes_nothing_is_an_error(edits, vector, served):
    backend = served(Engine(hears=False))
    with (
        pytest.raises(ValueError, match="answers as without it: the adapter is not active"),
        backend.edited(vector, edits[0]),
    ):
        pass
    with backend.edited(TaskVector({}, vector.base), edits[0]):
        assert backend.lm.adapter is None


def test_without_vllm_the_error_says_what_to_do(tiny, edits):
    with pytest.raises(ValueError, match="vllm is not installed here"):
        Vllm(tiny.folder, tiny.tokenizer, edits, 4, 16, "bfloat16")
