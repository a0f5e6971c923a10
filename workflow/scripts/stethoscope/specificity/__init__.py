"""Specificity of features and layers (paper, eqs. 1 and 2), and how robust it is."""
