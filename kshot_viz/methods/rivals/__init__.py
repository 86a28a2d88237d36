"""Methods that people fine-tune with today, one a module, for comparison with groups."""
