"""Which layers to edit (paper, section 3: SP >= 4), and the controls."""
