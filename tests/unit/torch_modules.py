"""Modules for the tests of `hetsim.torch`: one for each family of operators, and those that are refused."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional


class Named(nn.Module):
    def forward(self, x: Any, y: Any) -> Any:
        return {"sum": x + 2 * y, "nothing": None, "pair": (x, [y.relu()])}


class Pointwise(nn.Module):
    def forward(self, x: Any) -> Any:
        y = x.abs() + 0.1
        return [
            x.relu(), x.sigmoid(), x.tanh(), x.exp(), y.log(), y.sqrt(), -x, x.floor(), x.ceil(), x.round(), x.erf(),
            x.sin(), x.cos(), y.reciprocal(), x.sign(), x * y, x**2, y**x, 2**x, x / y, x - y, 1 - x, x.rsqrt().isnan(),
            torch.sub(x, y, alpha=3), torch.add(x, 1), torch.div(x, y, rounding_mode="floor"), x % 0.3,
            torch.fmod(x, 0.3), torch.maximum(x, y), x == y, x != y, x < y, x >= 0, (x > 0) & (y > 0.5), ~(x > 0),
            torch.logical_xor(x > 0, y > 1), torch.where(x > 0, x, y), x.masked_fill(x > 0, -1.0), x.clamp(-0.5, 0.5),
            x.clamp(max=0.2), functional.hardtanh(x), functional.relu6(x), functional.elu(x), functional.silu(x),
            functional.leaky_relu(x, 0.2), functional.gelu(x), functional.gelu(x, approximate="tanh"),
            functional.softplus(x), functional.hardswish(x), functional.mish(x), y.log2(), y.log10(), x.double(),
            torch.full_like(x, 3.0), torch.zeros_like(x) + x, x.clamp(min=y * 0.5), (x * 3).to(torch.int32),
        ]  # fmt: skip


class Moves(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(7, 5)

    def forward(self, x: Any) -> Any:
        index = torch.tensor([2, 0, 3])
        return [
            x.view(2, -1), x.permute(2, 0, 3, 1), x.transpose(1, 2), x[:, 1], x[:, -1], x[:, 1:3], x[..., ::2],
            x[:, :, -2:], x.unsqueeze(1), x[:1].squeeze(0), x[:1].expand(3, 4, 6, 6), x.repeat(1, 2, 1, 1),
            x.flip(1, 3),
            torch.cat([x, x * 2], 1), torch.stack([x, x * 2], 1), list(x.split(3, 2)), list(x.chunk(2, 1)),
            list(x.unbind(1)), self.table((x.abs() * 3).long()), x.index_select(1, index), x[:, index],
            x.gather(1, torch.zeros(2, 1, 6, 6, dtype=torch.int64)), functional.pad(x, (1, 2, 0, 1), value=0.5),
            x.tril(), x.triu(1), x.clone(), x.roll(1, 2),
        ]  # fmt: skip


class Reductions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.batch = nn.LayerNorm([6, 6]), nn.BatchNorm2d(4)
        self.plain = nn.LayerNorm(6, elementwise_affine=False)
        self.group, self.bare = nn.GroupNorm(2, 4), nn.BatchNorm2d(4, affine=False)
        for part in (self.batch, self.bare):
            part.running_mean.uniform_(-1, 1)
            part.running_var.uniform_(0.5, 2)
        for part in (self.layer, self.batch, self.group):
            nn.init.uniform_(part.weight)
            nn.init.uniform_(part.bias)

    def forward(self, x: Any) -> Any:
        return [
            x.sum(), x.sum(1), x.mean((2, 3), keepdim=True), x.mean(), x.amax(1), x.amin((1, 2)), x.prod(1),
            (x > 0).any(1), (x > 0).any(), (x > 0).sum(1), x.argmax(1), x.argmax(), x.argmin(1, keepdim=True),
            list(x.max(1)), list(x.min(2, keepdim=True)), x.max(), x.var(1), x.var((2, 3), correction=0), x.std(1),
            x.softmax(1), x.log_softmax(-1), x.cumsum(2), list(x.topk(2, 1)), self.layer(x), self.plain(x),
            self.batch(x),
            self.bare(x), self.group(x), x.norm(dim=1),
        ]  # fmt: skip


class Windows(nn.Module):
    def forward(self, x: Any) -> Any:
        return [
            functional.max_pool2d(x, 2), functional.max_pool2d(x, 3, 2, 1), functional.avg_pool2d(x, 2),
            functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False), functional.adaptive_avg_pool2d(x, 1),
            functional.adaptive_avg_pool2d(x, 3), functional.max_pool1d(x[0], 2), functional.avg_pool1d(x[0], 3),
            functional.max_pool2d(x, 2, 2, 0, 1, ceil_mode=True), functional.max_pool2d(x[0], 2),
        ]  # fmt: skip


class Products(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 5))
        self.linear, self.deep = nn.Linear(6, 3), nn.Linear(6, 3, bias=False)
        self.grouped = nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2, bias=False)
        self.depthwise, self.dilated = nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 2, 2, dilation=2)
        self.same = nn.Conv2d(4, 2, 3, padding="same")
        self.signal, self.grown = nn.Conv1d(4, 3, 2), nn.ConvTranspose2d(4, 3, 2, stride=2, output_padding=1)

    def forward(self, x: Any) -> Any:
        flat = x.flatten(0, 2)
        mask = torch.ones(6, 6, dtype=torch.bool).tril()
        return [
            x @ self.weight, flat @ self.weight, self.weight.T @ flat.T, self.linear(x), self.deep(flat),
            self.linear(x[0, 0, 0]), torch.addmm(flat[0, :5], flat, self.weight), x @ x.mT,
            torch.bmm(x[0], x[1]), torch.baddbmm(x[0], x[0], x[1]), torch.einsum("bchw,bcwv->bchv", x, x),
            self.grouped(x), self.depthwise(x), self.dilated(x), self.same(x), self.signal(x[:, :, 0]), self.grown(x),
            functional.scaled_dot_product_attention(x, x * 2, x),
            functional.scaled_dot_product_attention(x, x, x, is_causal=True),
            functional.scaled_dot_product_attention(x, x, x, attn_mask=mask, scale=0.3),
            functional.scaled_dot_product_attention(x, x, x, attn_mask=torch.zeros(6, 6) + 0.1),
        ]  # fmt: skip


class Integers(nn.Module):
    def forward(self, x: Any) -> Any:
        n = (x * 10).long()
        return [n + 1, n * 2, n % 3, n / 2, n & 3, n == 2, n.sum(1), n.float() + torch.arange(6), n.amax(1), n + x]


class Odd(nn.Module):
    """Forms of known operators that rules leave out, none of which may come out as another number."""

    def forward(self, x: Any) -> Any:
        return x.round(decimals=1), x.view(torch.int32), functional.avg_pool2d(x, 3, 2, 1, ceil_mode=True)


class Inner(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.erfinv() + x.sort()[0]


class Unknown(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()

    def forward(self, x: Any) -> Any:
        return self.inner(x) + x.kthvalue(1, 0)[0]


class Selected(nn.Module):
    def forward(self, x: Any) -> Any:
        return x[x > 0.5]


class Branching(nn.Module):
    def forward(self, x: Any) -> Any:
        return x if x.sum() > 0 else -x


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: Any) -> Any:
        self.count += 1
        return x + self.count


class Noisy(nn.Module):
    def forward(self, x: Any) -> Any:
        return x + torch.randn(3)
