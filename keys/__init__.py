"""Keys, signatures, sealing and credentials: the library both broker and nodes use.

It holds code and never key material, and imports no other package of this project.
"""
