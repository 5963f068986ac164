"""`fdsweep status`: the sweeps of a storage, how far they are, and who trains them now.

`looking` reads, `view` makes lines of it, `watch` does both again and again.
"""
