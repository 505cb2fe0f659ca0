"""What Active Directory keeps of an AD CS: its CAs and templates, with who may do what to them (reference, sections A4 and A6)."""
