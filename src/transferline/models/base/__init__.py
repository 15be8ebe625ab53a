"""What networks are built of: backbones, weights, heads, and the cut between frozen and trainable layers."""
