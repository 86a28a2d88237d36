"""The bundled network, and how it is pretrained."""
