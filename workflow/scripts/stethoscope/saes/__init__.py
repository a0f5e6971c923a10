"""Sparse autoencoders: file formats, training, and activations on residual streams."""
