"""The fine-tuning methods, one file each, and the registry that anyone can extend."""
