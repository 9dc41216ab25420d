"""What a document says of all requests at once: proofs, differences, rules that do nothing, ways to be locked out.

A document is written down as formulas over every request, every count its limits may have seen and every set of people
who approve; an SMT solver (z3) then looks for one that breaks a claim. What it finds is turned into facts and given to
the engine, which must agree: an answer that the engine does not confirm is an error, never a result.

Pure, and no part of deciding: the cosigner imports none of it. z3 is imported where it is first needed.
``prove.prove`` proves a file of invariants, ``difference.differences`` compares two documents, ``findings.check``
looks at one, ``admission.admit`` says what keeps a document from being installed.
"""
