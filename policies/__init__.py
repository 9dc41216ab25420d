"""What may happen, and who must agree: a pure engine of permit, forbid and require rules that have no order.

Imports the kernel only and touches no clock or database, and no file but the pinned tables of time zones.
``document.load_document`` reads a document, ``engine.evaluate`` decides one request, ``tally.satisfied`` counts the
people, ``obligations.outstanding`` says what the facts still owe, ``cases.run_cases`` tests a document. The daemon and
the cosigner's own program run the same code. ``analysis`` proves what a document says of all requests and
``simulation`` replays those there were: tools for people, which decide nothing.
"""
