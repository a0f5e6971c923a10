"""Edits: alpha * tau in the selected layers (paper, eq. 3), as adapters and checkpoints."""
