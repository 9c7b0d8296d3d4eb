"""The ladder: a family of small decoders trained on a text, a law through their losses, the next one predicted.

`command` is the command line, `climb` the whole run as events; `text`, `vocabulary` and `rungs` say what is trained,
`training` trains it (the only module here with torch), `forecast` predicts.
"""
