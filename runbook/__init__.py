"""The mechanisms every check and procedure is made of. Nothing here knows a trading stack."""
