"""The published rules as data, by subject. `cis_ews.risk.rules` puts them together."""
