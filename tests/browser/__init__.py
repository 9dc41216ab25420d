"""The console's pages in a real browser, with a virtual authenticator."""
