"""Who pays the fee of spends that somebody else carries: the payer, its numbers, its carriages, its money.

``effect`` asks the node and sends; ``operations`` write; a number is given under the payer's row and stored with its
signed bytes before anything is sent. What became of a payment is never read here: its vault says that.
"""
