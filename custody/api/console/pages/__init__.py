"""The console's pages, an area each: made of parts from what views say. Nothing here decides anything."""
