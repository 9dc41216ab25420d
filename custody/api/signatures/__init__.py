"""Signed calls (RFC 9421) as the house reads them: one strict profile, and a memory that takes each call once."""
