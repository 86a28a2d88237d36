"""A tuned classifier on disk: weights as safetensors, the rest as JSON, or ONNX as a whole."""
