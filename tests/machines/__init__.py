"""State machines: steps that Hypothesis picks, on the real database, with everything checked after each.

A step is an action of a Worker, a caller or a sweep. The connection may break during it, before or after
a message (see `lines`); the Worker then repeats the message, as the product does, or is dead.
"""
