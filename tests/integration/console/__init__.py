"""The console's pages, asked for by hand."""
