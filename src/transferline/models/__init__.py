"""Networks: backbones, heads, the cut between frozen and trainable layers, the exported model."""
