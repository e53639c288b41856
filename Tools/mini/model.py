"""tinsmith/mini in plain PyTorch: Qwen3's block, with Hugging Face's weight names."""

import torch
import torch.nn.functional as F
from torch import nn

CONFIG = {
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 256,
    "num_hidden_layers": 6, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 32,
    "intermediate_size": 768, "vocab_size": 4096, "tie_word_embeddings": True,
    "rope_theta": 10000.0, "rope_scaling": None, "rms_norm_eps": 1e-6,
    "max_position_embeddings": 4096, "attention_bias": False, "attention_dropout": 0.0,
    "hidden_act": "silu", "initializer_range": 0.02, "use_cache": True,
    "use_sliding_window": False, "sliding_window": None, "max_window_layers": 6,
    "torch_dtype": "bfloat16",
}
D, LAYERS, HEADS, KV, HEAD, FF = 256, 6, 8, 4, 32, 768
EPS = CONFIG["rms_norm_eps"]


def rope_table(length: int, start: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """cos and sin of shape (length, HEAD); the halves repeat, as in Hugging Face's rotate_half."""
    inverse = CONFIG["rope_theta"] ** (-torch.arange(0, HEAD, 2).double() / HEAD)
    angles = torch.outer(torch.arange(start, start + length).double(), inverse)
    angles = torch.cat((angles, angles), -1)
    return angles.cos().float(), angles.sin().float()


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


class Norm(nn.Module):
    def __init__(self, size: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, EPS)


def linear(inputs: int, outputs: int) -> nn.Linear:
    return nn.Linear(inputs, outputs, bias=False)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q_proj, self.o_proj = linear(D, HEADS * HEAD), linear(HEADS * HEAD, D)
        self.k_proj, self.v_proj = linear(D, KV * HEAD), linear(D, KV * HEAD)
        self.q_norm, self.k_norm = Norm(HEAD), Norm(HEAD)

    def forward(self, x, cos, sin, cache=None):
        """(rows, T, D) -> (rows, T, HEADS * HEAD), before o_proj; `cache` is a [k, v] list."""
        rows, length, _ = x.shape
        q = self.q_norm(self.q_proj(x).view(rows, length, HEADS, HEAD)).transpose(1, 2)
        k = self.k_norm(self.k_proj(x).view(rows, length, KV, HEAD)).transpose(1, 2)
        v = self.v_proj(x).view(rows, length, KV, HEAD).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if cache is not None:
            if cache:
                k, v = torch.cat((cache[0], k), 2), torch.cat((cache[1], v), 2)
            cache[:] = [k, v]
        k, v = (t.repeat_interleave(HEADS // KV, 1) for t in (k, v))
        out = F.scaled_dot_product_attention(q, k, v, is_causal=length > 1)
        return out.transpose(1, 2).reshape(rows, length, HEADS * HEAD)


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = linear(D, FF), linear(D, FF), linear(FF, D)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = Norm(D), Norm(D)
        self.self_attn, self.mlp = Attention(), MLP()

    def forward(self, x, cos, sin, cache=None, keep=None):
        """With `keep` (indices into rows * T) only those positions go past the attention."""
        mixed = self.self_attn(self.input_layernorm(x), cos, sin, cache)
        if keep is not None:
            x, mixed = x.reshape(-1, D)[keep], mixed.reshape(-1, HEADS * HEAD)[keep]
        x = x + self.self_attn.o_proj(mixed)
        return x + self.mlp(self.post_attention_layernorm(x))


class Mini(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed_tokens = nn.Embedding(CONFIG["vocab_size"], D)
        self.layers = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = Norm(D)
        self.head = None  # a stand-alone output head for LoRA on the tied matrix
        self.reset()

    def reset(self) -> None:
        nn.init.normal_(self.embed_tokens.weight, std=0.02)
        for name, p in self.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.zeros_(p)
            elif "_proj" in name:
                nn.init.normal_(p, std=p.shape[1] ** -0.5)

    def forward(self, ids, keep=None, caches=None, start: int = 0):
        """Logits (rows, T, V), or (len(keep), V) when only some flat positions are wanted."""
        x = self.embed_tokens(ids)
        cos, sin = rope_table(ids.shape[1], start)
        for i, layer in enumerate(self.layers):
            last = i == LAYERS - 1
            x = layer(x, cos, sin, caches[i] if caches is not None else None,
                      keep if last else None)
        x = self.norm(x)
        return self.head(x) if self.head else F.linear(x, self.embed_tokens.weight)


@torch.no_grad()
def generate(model: Mini, prompts: list[list[int]], new_tokens: int, stop: int,
             temperature: float = 0.0, generator: torch.Generator | None = None):
    """Answers token lists; prompts of one length go together, so nothing is ever padded."""
    answers: list[list[int]] = [[] for _ in prompts]
    groups: dict[int, list[int]] = {}
    for i, prompt in enumerate(prompts):
        groups.setdefault(len(prompt), []).append(i)
    for length, members in groups.items():
        ids = torch.tensor([prompts[i] for i in members])
        caches = [[] for _ in range(LAYERS)]
        alive = torch.ones(len(members), dtype=torch.bool)
        keep = torch.arange(1, len(members) + 1) * length - 1
        logits = model(ids, keep, caches)
        for step in range(new_tokens):
            if temperature > 0:
                p = torch.softmax(logits / temperature, -1)
                token = torch.multinomial(p, 1, generator=generator).squeeze(1)
            else:
                token = logits.argmax(-1)
            alive &= token != stop
            if not alive.any():
                break
            for j in alive.nonzero().flatten().tolist():
                answers[members[j]].append(int(token[j]))
            logits = model(token[:, None], None, caches, length + step)[:, 0]
    return answers
