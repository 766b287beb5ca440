"""Is an extract fit for a night, school by school, and what is unlike the extract before it: `cis-ews check`.

    reading    a source read and checked, whole or in parts, and counted
    counting   rows, filled cells and codes by table and school, which add up over parts
    summary    what is kept of an extract to hold the next one against: counts and codes, nothing of a student
    kept       where summaries lie in a store
    catalog    every finding: its code, how grave it is, what to do
    findings   what is wrong with an extract by itself
    changes    what is unlike the extract before
    result     all of it as one object, which the terminal, JSON and the page show
    page       the page

The page: docs/checking.md.
"""
