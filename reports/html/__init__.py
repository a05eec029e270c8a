"""`report.html`: one file that opens without a network, on a phone, on paper, by day and by night.

The pictures are Vega-Lite specifications, which are data; `pictures` lists them. Colours are names of custom
properties of the page's style sheet, so that light, dark and print are for the style sheet to decide. What
endpoints answered stays text: the template escapes it, and the page's own policy lets no script run but the
page's own, and nothing be loaded.
"""
