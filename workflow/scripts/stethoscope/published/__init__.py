"""The paper's surviving numbers, recomputed and checked against one another."""
