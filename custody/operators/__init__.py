"""What the house remembers of operators' passkeys: questions asked, counters, locks, candidates, who is signed in."""
