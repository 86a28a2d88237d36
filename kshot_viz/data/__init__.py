"""Labelled images and the k-shot tasks drawn from them."""
