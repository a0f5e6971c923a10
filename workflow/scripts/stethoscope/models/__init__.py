"""Base models: load, pretrain, fine-tune with LoRA, and name their parameters."""
