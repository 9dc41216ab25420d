"""Deciding one request: nothing that permits it or anything that forbids it denies; every require adds.

Pure: the same document, facts and usage give the same decision, whatever order the rules were written in. What a
limit or a total has seen is asked of ``usage``; ``windows.windows_needed`` says beforehand what will be asked.
"""

from __future__ import annotations

from policies.decision import Decision
from policies.document import Document
from policies.explanation import write
from policies.facts import Facts, Usage
from policies.judgement import DEFAULT_RULE, judge


def evaluate(document: Document, facts: Facts, usage: Usage) -> Decision:
    """Decide ``facts`` under ``document``. Raises nothing of its own: what it cannot know, it denies."""
    bare = judge(document, facts, usage)
    return Decision(bare[0], document.hash, write, (document, facts, usage, bare))


__all__ = ["DEFAULT_RULE", "evaluate"]
