"""Synthetic maths problems for a base model that is pretrained here."""
