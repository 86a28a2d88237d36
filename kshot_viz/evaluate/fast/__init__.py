"""Many candidates in the time of one: what is frozen is computed once, what moves moves together.

The forward pass of a tuned network is ``(W0 + M theta) x``: ``M`` maps neurons to groups, and only
``theta``, one row a group, trains. ``graph`` splits the network, ``rules`` compute the layers that
move, ``shifts`` holds the rows of all candidates, ``run`` steps them. Results equal the reference
loop's up to rounding.
"""
