"""Greedy decoding against transformers' `generate`, on a study's own model and test problems.

    python benchmarks/decoding.py results/demo

Both answer the same problems in turn, in this process and on one thread, three times; printed are
CPU seconds (median), their ratio, and whether the completions agree.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parents[1] / "workflow/scripts"))

from stethoscope.evaluation.decoding import Stop, decode_greedily
from stethoscope.models.base import load_model, load_tokenizer
from stethoscope.problems.records import prompt, read_problems

BATCH, CAP, ROUNDS = 128, 64, 3


def main(results: Path) -> None:
    torch.set_num_threads(1)
    folder = next(results.glob("seed-*/model"))
    model, tokenizer = load_model(folder), load_tokenizer(folder)
    tokenizer.padding_side = "left"
    stop = Stop.of(model, tokenizer, ["Problem:"])
    texts = [prompt(record["problem"]) for record in read_problems(results / "data/test.jsonl")]
    texts.sort(key=lambda text: len(tokenizer(text)["input_ids"]), reverse=True)
    batches = [
        tokenizer(texts[start : start + BATCH], return_tensors="pt", padding=True)
        for start in range(0, len(texts), BATCH)
    ]

    def ours(ids: torch.Tensor, mask: torch.Tensor) -> list[list[int]]:
        return decode_greedily(model, ids, mask, stop, CAP)

    def generate(ids: torch.Tensor, mask: torch.Tensor) -> list[list[int]]:
        output = model.generate(
            ids,
            attention_mask=mask,
            max_new_tokens=CAP,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id,
        )
        rows, end = output[:, ids.shape[1] :].tolist(), tokenizer.eos_token_id
        return [row[: row.index(end) + 1] if end in row else row for row in rows]

    def timed(decode: Callable) -> tuple[float, list[list[int]]]:
        started, completions = time.process_time(), []
        for batch in batches:
            completions += decode(batch["input_ids"], batch["attention_mask"])
        return time.process_time() - started, completions

    rounds = [(timed(generate), timed(ours)) for _ in range(ROUNDS)]
    peer, own = (statistics.median(pair[which][0] for pair in rounds) for which in (0, 1))
    differ = sum(a != b for a, b in zip(rounds[0][0][1], rounds[0][1][1], strict=True))
    print(f"{len(texts)} problems, batch {BATCH}, cap {CAP}")
    print(f"generate {peer:.2f} s, ours {own:.2f} s, ratio {peer / own:.2f}")
    print(f"completions that differ: {differ}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
