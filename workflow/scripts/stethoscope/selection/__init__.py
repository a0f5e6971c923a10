"""Selection of the layers to edit (paper, section 3: SP >= 4), and of its controls."""
