"""What happens inside a network while it is fine-tuned."""
