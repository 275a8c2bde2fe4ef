# %% right: shares of the weights
class SplitAttention(nn.Module):
    def __init__(self, attention, group=None):
        super().__init__()
        size, self.group = attention.head_size, group
        parts, rank = dist.get_world_size(group), dist.get_rank(group)
        heads, kv_heads = attention.q.out_features // size, attention.k.out_features // size
        if heads % parts or (kv_heads % parts and parts % kv_heads):
            raise ValueError(f"{heads} heads and {kv_heads} KV heads on {parts} ranks")
        mine, kept = heads // parts, max(1, kv_heads // parts)
        first = rank * kv_heads // parts
        self.size = size
        self.q = attention.q.weight[rank * mine * size : (rank + 1) * mine * size].clone()
        self.k = attention.k.weight[first * size : (first + kept) * size].clone()
        self.v = attention.v.weight[first * size : (first + kept) * size].clone()
        self.o = attention.o.weight[:, rank * mine * size : (rank + 1) * mine * size].clone()

    def forward(self, x, past=None):
        q, k, v = ((x @ w.T).unflatten(-1, (-1, self.size)).transpose(1, 2) for w in (self.q, self.k, self.v))
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        seen = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=x.device).tril(k.shape[2] - q.shape[2])
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=seen, enable_gqa=True)
        y = mixed.transpose(1, 2).flatten(2) @ self.o.T
        dist.all_reduce(y, group=self.group)
        return y, (k, v)
