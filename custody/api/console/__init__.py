"""The console for operators: pages that show what the database says, and verdicts by passkey."""
