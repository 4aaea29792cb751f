"""The layout of each report for people: report -> the blocks of `render`. Only wording, no logic."""
