"""Networks from descriptions: texts about classes in, a network for these classes out.

After Jin, Liu, Yan, Eichenberger and Morency, "Language to Network: Conditional Parameter
Adaptation with Natural Language Descriptions" (ACL 2020), at the scale of the bundled network. The
public names are listed once, in the stub ``__init__.pyi``.
"""

from kshot_viz.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
