"""Parts of ``benchmarks/search_results.py``."""
