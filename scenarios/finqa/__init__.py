"""The scenario `finqa`: financial questions over 2,800 filings."""
