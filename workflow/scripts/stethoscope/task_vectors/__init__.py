"""Task vectors: the weight difference of an adapter (paper, section 3)."""
