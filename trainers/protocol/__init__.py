"""How a replicate goes about its epochs: which samples meet, where gradients are taken."""
