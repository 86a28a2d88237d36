"""Data sets of other libraries: PyTorch and Hugging Face."""
