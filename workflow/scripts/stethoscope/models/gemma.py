"""A faster forward and backward pass of small Gemma 3 models on CPUs; the same function."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from transformers import AttentionInterface, Gemma3TextConfig, PreTrainedModel
from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm


@contextmanager
def fast_forward(model: PreTrainedModel, longest: int) -> Iterator[None]:
    """Let a text-only Gemma 3 compute the same function faster on a CPU, within the block.

    Attention becomes plain matrix products (the backward pass of PyTorch's own is slow on CPUs)
    and gets no mask but the causal one, RMSNorm gets a backward pass by hand. Needs right padding,
    and sequences (longest, in tokens) that fit into the sliding window. Any other model, device
    or length is left alone.
    """
    config = model.config
    if (
        not isinstance(config, Gemma3TextConfig)
        or model.device.type != "cpu"
        or longest > config.sliding_window
    ):
        yield
        return
    norms = [module for module in model.modules() if isinstance(module, Gemma3RMSNorm)]
    attention = config._attn_implementation
    config._attn_implementation = _ATTENTION
    for norm in norms:
        norm.forward = _fast_rms_norm.__get__(norm)
    try:
        yield
    finally:
        config._attn_implementation = attention
        for norm in norms:
            del norm.forward


def _causal_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Causal attention as plain matrix products, with the softmax in float32.

    query: (batch, heads, length, head_dim); key and value have fewer heads, each for a group of
    neighbouring query heads. Returns (batch, length, heads, head_dim).
    """
    batch, heads, length, width = query.shape
    shared = key.shape[1]
    dtype = torch.bfloat16 if torch.is_autocast_enabled("cpu") else query.dtype
    # The heads that share a key lie below each other, so that one product serves all of them.
    query = query.to(dtype).reshape(batch * shared, -1, width)
    key = key.to(dtype).reshape(batch * shared, length, width)
    value = value.to(dtype).reshape(batch * shared, length, width)
    mask = torch.full((length, length), -torch.inf, dtype=dtype).triu(1).repeat(heads // shared, 1)
    scores = torch.baddbmm(mask, query, key.mT, alpha=scaling)
    output = torch.bmm(scores.softmax(-1, dtype=torch.float32).to(dtype), value)
    return output.view(batch, heads, length, width).transpose(1, 2), None


_ATTENTION = "stethoscope_causal"
AttentionInterface.register(_ATTENTION, _causal_attention)


class _RmsNorm(torch.autograd.Function):
    """x / rms(x) * scale over the last dimension, computed in float32, returned as dtype."""

    @staticmethod
    def forward(
        ctx, x: torch.Tensor, scale: torch.Tensor, eps: float, dtype: torch.dtype
    ) -> torch.Tensor:
        wide = x.float()
        inverse = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
        inverse = inverse.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
        ctx.save_for_backward(wide, inverse, scale)
        ctx.dtype = x.dtype
        return (wide * inverse).mul_(scale).to(dtype)

    @staticmethod
    def backward(ctx, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, inverse, scale = ctx.saved_tensors
        grad = grad.float()
        product = grad * x
        along = (product @ scale).unsqueeze(-1).mul_(inverse.pow(3)).div_(x.shape[-1])
        grad_x = (grad * scale).mul_(inverse).addcmul_(x, along, value=-1.0)
        grad_scale = None
        if ctx.needs_input_grad[1]:
            grad_scale = inverse.flatten() @ product.flatten(0, -2)
        return grad_x.to(ctx.dtype), grad_scale, None, None


def _fast_rms_norm(norm: Gemma3RMSNorm, x: torch.Tensor) -> torch.Tensor:
    dtype = x.dtype
    if torch.is_autocast_enabled("cpu"):
        # A norm of the float32 residual stream feeds linear maps, which want bfloat16 (once, not
        # once each); a norm of a linear map's bfloat16 output feeds float32 arithmetic.
        dtype = torch.bfloat16 if dtype == torch.float32 else torch.float32
    return _RmsNorm.apply(x, 1.0 + norm.weight.float(), norm.eps, dtype)
