"""A small program of its own: it verifies what a log claims, and imports nothing of the service.

Beside the standard library and `cryptography` it uses the domain's rules for logs (tree, proofs,
notes), which Go's implementation checks from outside; the policy it has in its own words.
"""
