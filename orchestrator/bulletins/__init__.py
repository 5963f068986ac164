"""How far drivers are, in the storage, for whoever looks from elsewhere.

A driver that trains keeps a bulletin, a small file in `progress/`, and deletes it when it is done.
Nothing is decided by bulletins: one that is lost or late hinders no one.
"""
