"""How representations, gradients and weights of one layer align (Ziyin et al., ICLR 2025)."""
