"""Which source helps which target, and what fine-tuning hides of it."""
