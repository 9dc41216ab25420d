"""Changes of the rules: proposals of the next version of the trust root, and putting one in force."""
