"""State machines: steps that hypothesis draws, on the real database, with everything looked at after each.

A step is what a Worker, a caller or a sweep does. The connection may break in it, before a message or
after it (see `lines`); a Worker then says it again, as the product does, or is dead.
"""
