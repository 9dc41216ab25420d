"""The operator's and auditor's command line. Reads the database, or speaks to the API with keys of its own."""
