"""Topology of activations: Mapper graphs (Singh, Memoli & Carlsson, 2007) and what they show."""
