"""What an evaluation says when it cannot go on."""

from __future__ import annotations


class EvaluationNotPossible(Exception):
    """The collection cannot be used, or the service did not do its part; the message says which."""


class Refused(EvaluationNotPossible):
    """The service does not take this document or query; it takes others."""
