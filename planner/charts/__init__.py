"""One file a chart, each with the same names: `Data`, `draw(figure, data, theme)`, `describe(data)`, `table(data)`.

A chart draws on a bare matplotlib `Figure`, knows no Qt and no pyplot, and never makes a canvas. `Data` is frozen and
holds exactly what is drawn; `describe` is one sentence for readers who do not see; `table` is the chart's CSV.
"""
