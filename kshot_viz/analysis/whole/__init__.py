"""All analyses of one fine-tune together."""
