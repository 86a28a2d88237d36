"""The fast path: train many candidates at once, with the frozen features computed once.

The forward pass of a tuned network is ``(W0 + M theta) x``: ``M`` maps neurons to groups, and only
``theta``, one row a group, trains. ``split`` finds the frozen and the trained part, ``layers``
compute the trained layers, ``parameters`` holds the rows of all candidates, ``train``
updates them. Results equal the reference loop's up to rounding.
"""
