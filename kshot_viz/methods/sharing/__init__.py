"""Ways to share gradients between neurons: the rule of groups, its variants, and soft groups."""
